"""The outbox and the way back: results into a Hugging Face data set, one immutable file each, and an empty store rebuilt from it.

Publishing may be cut off anywhere and repeated: a result is marked only when a commit that holds it is known, and what is already there in the
same bytes is only marked.
"""

from __future__ import annotations

import hashlib
import logging
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from huggingface_hub import CommitOperationAdd, HfApi, hf_hub_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, RemoteEntryNotFoundError, RepositoryNotFoundError
from huggingface_hub.hf_api import RepoFile
from sqlalchemy import select, update
from sqlalchemy.exc import DBAPIError

from leaderboard.config import Config
from leaderboard.fetch import UNREACHABLE, check_repo, patiently
from leaderboard.names import SubmissionError
from leaderboard.outbox import MAX_PREDICTIONS_BYTES, PLACE, Published, check_predictions, parse, public_predictions, restore_row, waiting
from leaderboard.record import MAX_RECORD_BYTES
from leaderboard.store import Store, db_now, is_outage, reason, results
from poster.errors import InputError

log = logging.getLogger(__name__)

BATCH = 50  # results in one commit
CONFLICTS = 10  # times another writer may be first before this one gives up
CONFLICT = (409, 412)


class PublishError(InputError):
    """The data set does not take or give results; nothing is lost, they stay in the outbox."""


@dataclass(frozen=True)
class Restored:
    """results: put back. present: were there. skipped: hostile or malformed, named in the log."""

    results: int
    present: int
    skipped: int


@dataclass(frozen=True)
class Listed:
    """A file of the data set. size: bytes. commit: that brought it, as far as the Hub tells; what is published never changes afterwards."""

    size: int
    commit: str


class Dataset:
    """The data set that results are published to. The token goes to it alone and is never logged."""

    def __init__(self, config: Config, token: str | None) -> None:
        if not config.results_repo:
            raise PublishError("No data set to publish to; set FER_RESULTS_REPO=ORGANISATION/NAME.")
        try:
            self.repo = check_repo(config.results_repo)
        except SubmissionError as error:
            raise PublishError(f"FER_RESULTS_REPO is {config.results_repo[:80]!r}; ORGANISATION/NAME of a data set is needed, as the Hub shows it.") from error
        self.endpoint, self.token = config.endpoint, token or False
        self.api = HfApi(endpoint=config.endpoint, token=self.token)

    def head(self) -> str:
        """The commit that main is at now. Raises PublishError when the data set does not exist or does not answer."""
        try:
            return str(patiently(lambda: self.api.repo_info(self.repo, repo_type="dataset", timeout=20).sha))
        except (RepositoryNotFoundError, HFValidationError) as error:
            raise PublishError(f"There is no data set {self.repo} for this token; create it, or mend FER_RESULTS_REPO or FER_RESULTS_TOKEN.") from error
        except (*UNREACHABLE, OSError) as error:
            raise _silent(error) from error

    def blobs(self, paths: list[str], commit: str) -> dict[str, str]:
        """path -> git blob id of those of the paths that are there."""
        found = patiently(lambda: self.api.get_paths_info(self.repo, paths, revision=commit, repo_type="dataset"))
        return {file.path: file.blob_id for file in found if isinstance(file, RepoFile)}

    def files(self, commit: str) -> dict[str, Listed]:
        """What lies under results/ at a commit, by its path."""
        folder: dict[str, Any] = {"recursive": True, "expand": True, "revision": commit, "repo_type": "dataset"}
        try:
            tree = patiently(lambda: list(self.api.list_repo_tree(self.repo, "results", **folder)))
        except RemoteEntryNotFoundError:
            return {}
        return {file.path: Listed(file.size, file.last_commit.oid if file.last_commit else commit) for file in tree if isinstance(file, RepoFile)}

    def commit(self, files: dict[str, bytes], parent: str, message: str) -> str:
        """Add the files on top of ``parent``; the new commit. Raises HfHubHTTPError with 409 or 412 when main has moved."""
        operations = [CommitOperationAdd(path, content) for path, content in files.items()]
        info = self.api.create_commit(self.repo, operations, commit_message=message, repo_type="dataset", parent_commit=parent)
        return info.oid

    def read(self, path: str, commit: str, folder: Path) -> Path:
        """One file into ``folder``."""
        return Path(
            patiently(
                lambda: hf_hub_download(self.repo, path, repo_type="dataset", revision=commit, local_dir=folder, endpoint=self.endpoint, token=self.token)
            )
        )


def _silent(error: Exception) -> PublishError:
    return PublishError(f"The Hugging Face Hub did not take part ({type(error).__name__}); nothing is lost, run the command again later.")


def publish(store: Store, config: Config, token: str | None) -> int:
    """Publish every waiting result; how many were marked. Raises PublishError, and leaves the rest in the outbox, when the Hub does not take them."""
    dataset = Dataset(config, token)
    done = 0
    while batch := waiting(store, BATCH):
        commit = _publish_batch(dataset, config, batch)
        _mark(store, batch, commit)
        done += len(batch)
        log.info("published %d results in commit %s", len(batch), commit[:7])
    return done


def _publish_batch(dataset: Dataset, config: Config, batch: list[Published]) -> str:
    """Bring every file of the batch into the data set; a commit that holds them all."""
    files: dict[str, bytes] = {}
    for published in batch:
        files[f"{published.path}.json"] = published.to_json()
        if published.record.predictions and (table := public_predictions(config.data / "predictions" / published.record.predictions)):
            files[f"{published.path}.parquet"] = table
    for attempt in range(CONFLICTS):
        head = dataset.head()
        try:
            there = dataset.blobs(list(files), head)
            for path in there.keys() & files.keys():
                if path.endswith(".json") and there[path] != git_blob(files[path]):
                    log.error("%s is already published with other content; what is published stays", path)
            missing = {path: content for path, content in files.items() if path not in there}
            if not missing:
                return head
            return dataset.commit(missing, head, f"{len(batch)} results")
        except HfHubHTTPError as error:
            status = error.response.status_code if error.response is not None else 0
            if status in (401, 403):
                raise PublishError(f"The token may not write to {dataset.repo}; set FER_RESULTS_TOKEN to one that may.") from error
            if status not in CONFLICT and status < 500 and status != 429:
                raise _silent(error) from error
            log.warning("the Hub answered %d; looking again at what is there", status)
        except (httpx2.HTTPError, OSError) as error:  # the commit may have gone through: the next look tells
            log.warning("the connection broke (%s); looking again at what is there", type(error).__name__)
        time.sleep(min(30, 0.5 * 2**attempt))
    raise PublishError(f"The Hub refused {CONFLICTS} times to take {len(batch)} results; nothing is lost, run the command again later.")


def git_blob(content: bytes) -> str:
    """The id git gives these bytes."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _mark(store: Store, batch: Iterable[Published], commit: str) -> None:
    ids = [published.record.id for published in batch]
    with store.write() as connection:
        connection.execute(update(results).where(results.c.id.in_(ids)).values(published=db_now(), published_commit=commit))


def restore(store: Store, config: Config, token: str | None) -> Restored:
    """Put every published result back that the store lacks. What is malformed or hostile is skipped with a log line."""
    dataset = Dataset(config, token)
    head = dataset.head()
    try:
        files = dataset.files(head)
        with store.read() as connection:
            known = set(connection.execute(select(results.c.id)).scalars())
        outcome = {"restored": 0, "present": 0, "skipped": 0}
        (incoming := config.data / "incoming").mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=incoming, prefix="restore-") as scratch:
            for path in sorted(path for path in files if path.endswith(".json")):
                if path.rpartition("/")[2].removesuffix(".json") in known:
                    outcome["present"] += 1
                    continue
                outcome[_restore_one(store, config, dataset, files, path, head, Path(scratch))] += 1
    except UNREACHABLE as error:
        raise _silent(error) from error
    return Restored(outcome["restored"], outcome["present"], outcome["skipped"])


def _restore_one(store: Store, config: Config, dataset: Dataset, files: dict[str, Listed], path: str, commit: str, scratch: Path) -> str:
    """ "restored" or "skipped"; raises DBAPIError only where the database is away."""
    try:
        if not PLACE.fullmatch(path):  # before anything is written under that name
            raise ValueError("a result lies at results/BENCHMARK/ID.json")
        if files[path].size > MAX_RECORD_BYTES:
            raise ValueError(f"it has {files[path].size} bytes; a result has at most {MAX_RECORD_BYTES}")
        published = parse(path, dataset.read(path, commit, scratch).read_bytes())
        with store.write() as connection:
            restore_row(connection, published, files[path].commit)
    except ValueError as error:
        return _skipped(path, str(error))
    except DBAPIError as error:
        if is_outage(error):
            raise
        return _skipped(path, f"the database does not take it: {reason(error)}")
    _restore_predictions(config, dataset, files, published, commit, scratch)
    return "restored"


def _restore_predictions(config: Config, dataset: Dataset, files: dict[str, Listed], published: Published, commit: str, scratch: Path) -> None:
    path = f"{published.path}.parquet"
    if not published.record.predictions or path not in files:
        return
    kept = config.data / "predictions" / f"{published.record.id}.parquet"
    kept.parent.mkdir(parents=True, exist_ok=True)
    try:
        if files[path].size > MAX_PREDICTIONS_BYTES:
            raise ValueError(f"it has {files[path].size} bytes")
        fetched = dataset.read(path, commit, scratch)
        check_predictions(fetched, published.record)
        kept.with_suffix(".part").write_bytes(fetched.read_bytes())
        kept.with_suffix(".part").replace(kept)
    except ValueError as error:
        _skipped(path, str(error))


def _skipped(path: str, why: str) -> str:
    log.warning("skipped %s: %s", ascii(path)[:200], ascii(" ".join(why.split()))[1:300].rstrip("'"))
    return "skipped"
