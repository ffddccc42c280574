"""What happens behind the pages once they are up: the model is loaded, published results are put back, a worker evaluates submissions."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Callable

from leaderboard.config import ROOT, Config
from leaderboard.store import Store
from space.engine import Engine, Heat
from space.settings import Settings
from space.uploads import example

log = logging.getLogger(__name__)

WORKER = (sys.executable, "-m", "space.worker_child")
_workers: list[subprocess.Popen[bytes]] = []  # kept, so that the pipe stays open


def start_behind(settings: Settings, config: Config, store: Store, engine: Engine) -> None:
    """One thread that does it all in turn; a failure is logged, and the pages stay up."""

    def work() -> None:
        steps: list[Callable[[], None]] = [lambda: warm_up(engine)]
        if config.results_repo:
            steps.append(lambda: put_back(store, config))
        if settings.worker:
            steps.append(start_worker)
        for step in steps:
            try:
                step()
            except Exception:
                log.exception("the pages stay up without it")

    threading.Thread(target=work, name="behind", daemon=True).start()


def warm_up(engine: Engine) -> None:
    """Bring torch, the model and the face detector in by looking at the example once."""
    log.info("the first look took %.1f s", engine.answer(example(), heatmap=Heat()).seconds)


def put_back(store: Store, config: Config) -> None:
    """Results published before this machine's disk was new."""
    from leaderboard.commands.common import results_token
    from leaderboard.publish import restore

    log.info("published results: %s", restore(store, config, results_token()))


def start_worker() -> None:
    """A worker as a process of its own; it ends when the pipe to it closes, with this process."""
    _workers.append(subprocess.Popen(WORKER, cwd=ROOT, stdin=subprocess.PIPE))
