"""An accepted submission, and the weights that belong to it: as stored, or fetched again, and always those that were submitted."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select

from leaderboard.config import Config
from leaderboard.fetch import HubFile, download, sha256_of
from leaderboard.names import SubmissionError
from leaderboard.store import Store, submissions
from poster.checkpoint import convert
from poster.contract import METADATA_KEY, ModelContract

log = logging.getLogger(__name__)


class WeightsMissing(Exception):
    """The weights of an accepted submission cannot be had on this machine; not the submitter's fault."""


@dataclass(frozen=True)
class Submission:
    """An accepted checkpoint. weights_sha256: of the file as submitted; stored_sha256: of the safetensors made of it, the only file opened later.

    source: "file NAME" or "hub REPO@COMMIT/FILE". created: seconds since 1970 by the database's clock.
    """

    id: str
    name: str
    contract: ModelContract
    weights_sha256: str
    stored_sha256: str
    parameters: int
    source: str
    training_data: str
    epoch_selection: str
    paper: str
    code: str
    submitted_by: str
    created: float


def load_submission(store: Store, id: str) -> Submission:
    """A stored submission. Raises sqlalchemy.exc.NoResultFound for an unknown id."""
    with store.read() as connection:
        row = connection.execute(select(submissions).where(submissions.c.id == id)).one()
    return submission_of(row._asdict())


def submission_of(row: Mapping[str, Any]) -> Submission:
    """A row of the table as a Submission."""
    contract = ModelContract.from_metadata({METADATA_KEY: row["contract"]})
    return Submission(**{**row, "contract": contract})


def weights_path(config: Config, stored_sha256: str) -> Path:
    """Where the safetensors of a submission lie."""
    return config.data / "weights" / f"{stored_sha256}.safetensors"


def obtain_weights(config: Config, submission: Submission, folder: Path) -> tuple[Path, str]:
    """The safetensors to evaluate and its sha256: the stored file if intact, else fetched again from the Hub into ``folder``.

    Raises WeightsMissing when it cannot be had here, HubUnavailable when the Hub does not answer, SubmissionError when the Hub's file is gone or
    differs from the one submitted.
    """
    stored = weights_path(config, submission.stored_sha256)
    if stored.is_file():
        copy = folder / "weights.safetensors"
        try:
            os.link(stored, copy)  # a name of our own: the stored file may be tidied away while the job runs
        except OSError:
            shutil.copyfile(stored, copy)
        if sha256_of(copy) == submission.stored_sha256:
            return copy, submission.stored_sha256
        log.error("the stored weights of submission %s are damaged", submission.id)
        copy.unlink()
    file = HubFile.parse(submission.source)
    if file is None:
        raise WeightsMissing(
            "The submitted file is not on the machine that took the job; submit it again (workers on several machines need a common FER_DATA folder)."
        )
    path = download(config, file, folder / "hub")
    if sha256_of(path) != submission.weights_sha256:
        raise SubmissionError(f"{file.filename} of {file.repo} at commit {file.commit[:7]} is not the file that was submitted (its sha256 differs).")
    fresh = folder / "weights.safetensors"
    convert(path, fresh, ",".join(submission.contract.labels), submission.contract.channels)
    shutil.rmtree(folder / "hub")
    return fresh, sha256_of(fresh)
