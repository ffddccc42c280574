"""What lies on this machine: the board with results compared image by image where their predictions and labels are here, and models to try.

Files restored from the Hub hold no labels and are passed over.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from eval.predictions import Predictions, ResultError
from leaderboard.accepted import weights_path
from leaderboard.board import Board, load_board
from leaderboard.config import Config
from leaderboard.record import Record
from leaderboard.status import stored_records
from leaderboard.store import Store, jobs, submissions


def current_board(store: Store, config: Config) -> Board:
    """The leaderboard now: claims, committed results, the store's results, tie groups by image where the images are known."""
    records = stored_records(store)
    return load_board(records=records, correct=correct_images(config, records))


def evaluated_models(store: Store, config: Config) -> dict[str, Path]:
    """Submitted models that were evaluated here: name -> safetensors file, the newest of a name. A file may be gone; the caller looks."""
    query = select(submissions.c.name, submissions.c.stored_sha256).join(jobs, jobs.c.submission == submissions.c.id)
    with store.read() as connection:
        rows = connection.execute(query.where(jobs.c.state == "done").order_by(submissions.c.created)).all()
    return {row.name: weights_path(config, row.stored_sha256) for row in rows}


def correct_images(config: Config, records: Iterable[Record]) -> dict[str, NDArray[np.bool_]]:
    """Result id -> (N,) whether each image was right, for the results whose predictions and labels are here."""
    found = {}
    for record in records:
        correct = _correct(config.data / "predictions" / record.predictions) if record.predictions else None
        if correct is not None and len(correct) == record.num_images and int(correct.sum()) == record.correct:
            found[record.id] = correct
    return found


@lru_cache(maxsize=1000)  # the files never change
def _correct(path: Path) -> NDArray[np.bool_] | None:
    try:
        return Predictions.read(path).correct
    except ResultError:
        return None
