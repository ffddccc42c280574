"""How often a live picture is looked at: as often as the machine can, with as much rest as work, so that the other visitors are served too."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

REST = 1.0  # seconds of rest for a second of work


class Pace:
    """``with pace.turn() as mine``: ``mine`` says whether a picture may be looked at now. One at a time; after each as long a rest as it took, times REST."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._next = clock, 0.0
        self._working = threading.Lock()

    @contextmanager
    def turn(self) -> Iterator[bool]:
        if not self._working.acquire(blocking=False):
            yield False
            return
        try:
            start = self._clock()
            mine = start >= self._next
            yield mine
            if mine:
                self._next = self._clock() + REST * (self._clock() - start)
        finally:
            self._working.release()
