"""What the store holds for the pages: the board with its results, and the weights that can be tried."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select

from leaderboard.board import Board, load_board
from leaderboard.config import Config
from leaderboard.status import stored_records
from leaderboard.store import Store, jobs, submissions


def current_board(store: Store) -> Board:
    """The claims, the results of this project, and those of the store."""
    return load_board(records=stored_records(store))


def evaluated_models(store: Store, config: Config) -> dict[str, Path]:
    """Submitted models that were evaluated here: name -> safetensors file, the newest of a name. A file may be gone; the caller looks."""
    query = select(submissions.c.name, submissions.c.stored_sha256).join(jobs, jobs.c.submission == submissions.c.id)
    with store.read() as connection:
        rows = connection.execute(query.where(jobs.c.state == "done").order_by(submissions.c.created)).all()
    return {row.name: config.data / "weights" / f"{row.stored_sha256}.safetensors" for row in rows}
