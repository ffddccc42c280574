"""A checkpoint out of a stranger's Hugging Face repository: names checked, commit pinned, size known before and sha256 checked after the download.

No request carries a token: a private repository of this program's owner must stay as closed to a submitter as it is to the world.
"""

from __future__ import annotations

import hashlib
import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import httpx2
from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from leaderboard.config import MIB, Config
from leaderboard.names import SubmissionError

log = logging.getLogger(__name__)
T = TypeVar("T")

UNREACHABLE = (HfHubHTTPError, httpx2.HTTPError, LocalEntryNotFoundError)  # the last is how a download says that it could not reach the Hub
SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt", ".tar", ".bin")
TIMEOUT_SECONDS = 20.0
_PART = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?"
_REPO = re.compile(rf"{_PART}/{_PART}")
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}")
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9 ._+=,-]*(?:/[A-Za-z0-9_][A-Za-z0-9 ._+=,-]*)*")


class HubUnavailable(Exception):
    """The Hub did not answer; not the submitter's fault, worth another try."""


@dataclass(frozen=True)
class HubFile:
    """One file at one commit. size: bytes. sha256: "" where the Hub keeps none (files small enough for git)."""

    repo: str
    commit: str
    filename: str
    size: int
    sha256: str = ""

    def __str__(self) -> str:
        return f"hub {self.repo}@{self.commit}/{self.filename}"

    @classmethod
    def parse(cls, source: str) -> HubFile | None:
        """Read back what ``str`` gave; None for any other source."""
        found = re.fullmatch(rf"hub ({_REPO.pattern})@([0-9a-f]{{40}})/({_FILE.pattern})", source)
        return cls(found[1], found[2], found[3], 0) if found else None


def patiently(call: Callable[[], T], tries: int = 3) -> T:
    """The call's answer; asked again after a second or two when the Hub fails (5xx, 429) or the connection breaks."""
    for left in reversed(range(tries)):
        try:
            return call()
        except HfHubHTTPError as error:
            if left == 0 or error.response is None or error.response.status_code not in (429, 500, 502, 503, 504):
                raise
        except (httpx2.HTTPError, LocalEntryNotFoundError):
            if left == 0:
                raise
        time.sleep(tries - left)
    raise AssertionError("the last try returns or raises")


def check_repo(repo: str) -> str:
    """The repository id as it is; raises SubmissionError unless it is ORGANISATION/NAME in the Hub's own characters."""
    if not isinstance(repo, str) or len(repo) > 160 or not _REPO.fullmatch(repo) or ".." in repo or "--" in repo or repo.endswith(".git"):
        raise SubmissionError("The repository is not accepted; give ORGANISATION/NAME as the Hub shows it, no link, and the revision apart from it.")
    return repo


def check_revision(revision: str) -> str:
    """A branch, tag or commit; raises SubmissionError for anything else."""
    if not isinstance(revision, str) or not _REVISION.fullmatch(revision) or ".." in revision or "//" in revision or revision.endswith(("/", ".")):
        raise SubmissionError("The revision is not accepted; give a branch, a tag or a commit such as main.")
    return revision


def check_filename(filename: str) -> str:
    """A path inside the repository to a checkpoint; raises SubmissionError for anything else."""
    if not isinstance(filename, str) or len(filename) > 200 or not _FILE.fullmatch(filename) or ".." in filename:
        raise SubmissionError("The file name is not accepted; give the path of the checkpoint inside the repository.")
    if not filename.lower().endswith(SUFFIXES):
        raise SubmissionError(f"{filename} is not a checkpoint by its name; those read here end in {', '.join(SUFFIXES)}.")
    return filename


def resolve(config: Config, repo: str, revision: str = "main", filename: str = "") -> HubFile:
    """Pin a file to the commit that the revision means now, and learn its size, without downloading anything.

    Without a filename the repository must hold one checkpoint. Raises SubmissionError for what the submitter can mend, HubUnavailable else.
    """
    check_repo(repo), check_revision(revision)
    if filename:
        check_filename(filename)
    api = HfApi(endpoint=config.endpoint, token=False)
    try:
        info = patiently(lambda: api.model_info(repo, revision=revision, files_metadata=True, timeout=TIMEOUT_SECONDS, token=False))
    except GatedRepoError as error:
        raise SubmissionError(f"{repo} asks visitors to accept terms first; only repositories open to everybody can be submitted.") from error
    except RevisionNotFoundError as error:
        raise SubmissionError(f"{repo} has no revision {revision}; give a branch, a tag or a commit it has.") from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise SubmissionError(f"The Hub has no public model repository {repo}; a private one must be made public before it is submitted.") from error
    except (*UNREACHABLE, OSError) as error:
        raise HubUnavailable(f"The Hugging Face Hub did not answer ({type(error).__name__}); try again in a few minutes.") from error
    if not re.fullmatch(r"[0-9a-f]{40}", info.sha or ""):
        raise HubUnavailable("The Hugging Face Hub named no commit; try again in a few minutes.")
    if info.private or info.gated or info.disabled:
        raise SubmissionError(f"{repo} is not open to everybody; make it public before it is submitted.")
    files = {sibling.rfilename: sibling for sibling in info.siblings or ()}
    if not filename:
        checkpoints = sorted(name for name in files if name.lower().endswith(SUFFIXES))
        if len(checkpoints) != 1:
            found = f"{len(checkpoints)} checkpoints ({', '.join(checkpoints[:5])})" if checkpoints else "no checkpoint"
            raise SubmissionError(f"{repo} holds {found}; name the file to submit.")
        filename = check_filename(checkpoints[0])
    if filename not in files:
        raise SubmissionError(f"{repo} has no file {filename} at {revision}.")
    size, lfs = files[filename].size, files[filename].lfs
    if size is None:
        raise HubUnavailable(f"The Hub does not say how large {filename} is; try again in a few minutes.")
    check_size(size, config)
    return HubFile(repo, str(info.sha), filename, size, str(lfs.sha256) if lfs else "")


def check_size(size: int, config: Config) -> None:
    """Raise SubmissionError for an empty file or one over the limit. size: bytes."""
    if size <= 0:
        raise SubmissionError("The checkpoint is an empty file; download it again, or give another.")
    if size > config.max_checkpoint:
        raise SubmissionError(f"The checkpoint has {size / MIB:.1f} MiB; up to {config.max_checkpoint // MIB} MiB are accepted.")


def download(config: Config, file: HubFile, folder: Path) -> Path:
    """The pinned file in ``folder``; its size and, where known, its sha256 are those the Hub promised.

    Raises SubmissionError when the file is gone or differs, HubUnavailable when the Hub does not answer.
    """
    try:
        path = Path(patiently(lambda: hf_hub_download(file.repo, file.filename, revision=file.commit, local_dir=folder, endpoint=config.endpoint, token=False)))
    except (RemoteEntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise SubmissionError(f"{file.filename} of {file.repo} at commit {file.commit[:7]} is no longer public.") from error
    except (*UNREACHABLE, OSError) as error:
        raise HubUnavailable(f"The download of {file.filename} broke off ({type(error).__name__}); try again in a few minutes.") from error
    size = path.stat().st_size
    check_size(size, config)
    if (file.size and size != file.size) or (file.sha256 and sha256_of(path) != file.sha256):
        path.unlink()
        raise SubmissionError(f"{file.filename} is not the file the Hub promised (size or sha256 differs); upload it again.")
    log.info("fetched %s, %.1f MiB", file, size / MIB)
    return path


def sha256_of(path: Path) -> str:
    """The sha256 of a file's bytes, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
