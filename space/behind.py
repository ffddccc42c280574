"""What happens behind the pages once they are up: the model is loaded, published results are put back, a worker evaluates submissions."""

from __future__ import annotations

import ctypes
import logging
import threading
import time
from collections.abc import Callable

from leaderboard.config import Config
from leaderboard.store import Store
from space.engine import Engine, Heat
from space.settings import Settings
from space.uploads import example

TRIM_SECONDS = 15  # how often freed memory goes back; some milliseconds each
log = logging.getLogger(__name__)


def start_behind(settings: Settings, config: Config, store: Store, engine: Engine) -> None:
    """One thread that does it all in turn; a failure is logged, and the pages stay up."""

    def work() -> None:
        from leaderboard.service import keep_worker, put_back

        threading.Thread(target=give_back, args=(engine,), name="memory", daemon=True).start()
        steps: list[Callable[[], object]] = [lambda: warm_up(engine), lambda: put_back(store, config)]
        if settings.worker:
            steps.append(keep_worker)
        for step in steps:
            try:
                step()
            except Exception:
                log.exception("the pages stay up without it")

    threading.Thread(target=work, name="behind", daemon=True).start()


def warm_up(engine: Engine) -> None:
    """Bring torch, the model and the face detector in by looking at the example once."""
    log.info("the first look took %.1f s", engine.answer(example(), heatmap=Heat()).seconds)


def give_back(engine: Engine) -> None:
    """For ever: what was needed in a rush and is free again goes back to the system, which the C library by itself does for a part only."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError):  # not the GNU C library
        return
    while True:
        time.sleep(TRIM_SECONDS)
        if not engine.is_busy:
            trim(0)
