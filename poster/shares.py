"""How many threads compute a batch. A large one goes in equal shares, each on a thread of its own: nobody waits for the slowest of an operation, and
one copies while another multiplies. A few small pictures stay on one thread."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor

Result = TypeVar("Result")
SMALL = 64  # pixels a side; an operation on a few of these is over before a second thread, which sleeps while it waits, is awake
LEAST = 8  # pictures a share: with four, posterpp_nano was slower than without; fewer large ones than two shares need are halved all the same
_crews: dict[tuple[int, int, int], ThreadPoolExecutor] = {}
_hiring = threading.Lock()


def in_shares(call: Callable[[Tensor], Result], images: Tensor) -> list[Result]:
    """``call`` of consecutive shares of ``images`` (N, ...), in their order; of all of them at once where N or the threads are too few to share.

    Every share has its part of torch's threads. What ``call`` sets for its own thread only, such as inference mode, it must set itself.
    """
    threads = torch.get_num_threads()
    halves = 0 if images.shape[-1] <= SMALL else min(len(images), 2)
    shares = min(threads, max(len(images) // LEAST, halves))
    if shares < 2:
        with awake(images):
            return [call(images)]
    return list(_crew(shares, threads // shares).map(call, images.tensor_split(shares)))


@contextmanager
def awake(images: Tensor) -> Iterator[None]:
    """Torch's threads for images (N, 3, S, S): this one alone where they are small, else the usual ones."""
    usual = torch.get_num_threads()
    alone = usual > 1 and images.shape[-1] <= SMALL
    if alone:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        if alone:
            torch.set_num_threads(usual)


def _crew(workers: int, threads: int) -> ThreadPoolExecutor:
    key = (os.getpid(), workers, threads)  # a forked child has no threads but its own
    with _hiring:
        if key not in _crews:
            usual, all_here = torch.get_num_threads(), threading.Barrier(workers)
            crew = ThreadPoolExecutor(workers, "share", _begin, (threads,))
            list(crew.map(lambda _: all_here.wait(), range(workers)))
            torch.set_num_threads(usual)  # a worker's number is its own, but also what threads born later would begin with
            _crews[key] = crew
        return _crews[key]


def _begin(threads: int) -> None:
    torch.get_num_threads()  # what a thread asks for first sets it to the usual number
    torch.set_num_threads(threads)
