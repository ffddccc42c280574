"""What the tests of a worker ask: how a job stands, what is stored, whether the quick child runs."""

import time
from pathlib import Path

from sqlalchemy import select

from leaderboard.jobs import get
from leaderboard.store import results


def state(store, queued):
    with store.read() as connection:
        return get(connection, queued.job.id)


def stored(store):
    with store.read() as connection:
        return connection.execute(select(results)).all()


def wait_until(true, seconds=60):
    patience = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < patience, "waited in vain"
        time.sleep(0.05)


def running_child(steer: Path) -> int:
    """Waits for the child that holds; its process id."""
    wait_until(lambda: (steer / "running").exists() and (steer / "running").read_text())
    return int((steer / "running").read_text())
