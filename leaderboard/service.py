"""What runs beside the pages: published results put back into an empty store, and a worker that is started again whenever it ends."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

from leaderboard.config import ROOT, Config, results_token
from leaderboard.publish import restore
from leaderboard.store import Store
from poster.errors import InputError

log = logging.getLogger(__name__)

WORKER = (sys.executable, "-m", "leaderboard", "worker", "--attached")
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 300.0  # seconds before a worker that ended is started again; doubled each time it did not last a minute
LASTING_SECONDS = 60.0


def put_back(store: Store, config: Config) -> None:
    """Bring in results that were published before this machine's disk was new; where that fails the log says so and the store stays as it is."""
    if not config.results_repo:
        return
    try:
        log.info("published results: %s", restore(store, config, results_token()))
    except InputError as error:
        log.warning("published results are not put back: %s", error)


def keep_worker(command: Sequence[str] = WORKER) -> threading.Thread:
    """A worker as a process of its own, started again whenever it ends; it stops with this process, however that ends.

    The worker sees that by its standard input, which only this process holds open.
    """

    def keep() -> None:
        pause = FIRST_PAUSE / 2
        while True:
            started = time.monotonic()
            with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE) as process:
                code = process.wait()
            pause = next_pause(pause, time.monotonic() - started)
            log.warning("the worker ended with code %d; the next one starts in %.0f s", code, pause)
            time.sleep(pause)

    thread = threading.Thread(target=keep, name="keep worker", daemon=True)
    thread.start()
    return thread


def next_pause(pause: float, lasted: float) -> float:
    """Seconds to wait after a worker that lasted so long, ``pause`` being what was waited before it.

    >>> next_pause(0.5, 3600), next_pause(1, 5), next_pause(300, 5)
    (1.0, 2, 300.0)
    """
    return FIRST_PAUSE if lasted > LASTING_SECONDS else min(2 * pause, LONGEST_PAUSE)
