"""Visitors who ask at the same time share one pass of the model: calls that wait while it is busy go in together when it is free."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")
R = TypeVar("R")


@dataclass(eq=False)
class _Call(Generic[K, T, R]):
    key: K
    item: T
    done: bool = False
    result: R | None = None
    error: BaseException | None = None


class Gather(Generic[K, T, R]):
    """``gather(key, item)`` gives what ``work(key, [item])`` gives, one result an item. ``work`` is called once at a time, with the items
    of up to ``most`` callers of one key, in the order they came; always by the same thread, since every thread that calls a network keeps helper
    threads and buffers of its own. An exception reaches the caller whose item raises it, and nobody else.
    """

    def __init__(self, work: Callable[[K, list[T]], list[R]], most: int = 8) -> None:
        self._work, self._most = work, most
        self._waiting: list[_Call[K, T, R]] = []
        self._changed = threading.Condition()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="model")
        self.is_busy = False

    def __call__(self, key: K, item: T) -> R:
        mine: _Call[K, T, R] = _Call(key, item)
        with self._changed:
            self._waiting.append(mine)
        while True:
            with self._changed:
                self._changed.wait_for(lambda: mine.done or not self.is_busy)
                if mine.done:
                    break
                batch = self._next()
                self.is_busy = True
            try:
                self._thread.submit(self._run, batch).result()
            finally:
                with self._changed:
                    self.is_busy = False
                    self._changed.notify_all()
        if mine.error is not None:
            raise mine.error
        return mine.result  # type: ignore[return-value]

    def _next(self) -> list[_Call[K, T, R]]:
        """The longest waiting call and those of its key, taken out of the line."""
        first = self._waiting[0]
        batch = [one for one in self._waiting if one.key == first.key][: self._most]
        self._waiting = [one for one in self._waiting if one not in batch]
        return batch

    def _run(self, batch: list[_Call[K, T, R]]) -> None:
        """Fill in results; after an exception each alone, so that one visitor's photo spoils nobody else's answer."""
        try:
            for one, result in zip(batch, self._work(batch[0].key, [one.item for one in batch]), strict=True):
                one.result = result
        except Exception as error:
            if len(batch) == 1:
                batch[0].error = error
            else:
                for one in batch:
                    self._run([one])
        for one in batch:
            one.done = True
