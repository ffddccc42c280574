"""What the app does at its start beside the pages: open the store, rebuild it where it is empty, have a worker at work."""

from __future__ import annotations

import logging
import subprocess
import sys

from sqlalchemy import select

from leaderboard.board import Board, load_board
from leaderboard.config import ROOT, Config
from leaderboard.kept import correct_images
from leaderboard.publish import PublishError, restore
from leaderboard.status import stored_records
from leaderboard.store import Store, open_store, results

log = logging.getLogger(__name__)


def open_filled(config: Config, token: str | None = None) -> Store:
    """The store; where it is empty and results were published, they are put back first. A Hub that is away is no reason not to start.

    Raises InputError when the database does not answer.
    """
    store = open_store(config.url)
    with store.read() as connection:
        is_empty = connection.execute(select(results.c.id).limit(1)).first() is None
    if is_empty and config.results_repo:
        try:
            outcome = restore(store, config, token)
            log.info("%d results restored from %s, %d skipped", outcome.results, config.results_repo, outcome.skipped)
        except PublishError as error:
            log.warning("nothing restored: %s", error)
    return store


def current_board(store: Store, config: Config) -> Board:
    """The leaderboard now: claims, committed results, the store's results, tie groups by image where the images are known."""
    records = stored_records(store)
    return load_board(records=records, correct=correct_images(config, records))


def start_worker(device: str = "cpu") -> subprocess.Popen[bytes]:
    """A worker process beside the page, with the page's settings; it stops, handing its job back, when the page ends, however that ends."""
    command = [sys.executable, "-m", "leaderboard", "worker", "--device", device, "--attached"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, cwd=ROOT)
