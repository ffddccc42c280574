"""Calls that wait go together; each gets its own answer, and its own error."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from space.gather import Gather


def test_those_who_wait_go_together_by_key():
    first, seen = threading.Event(), []

    def work(key, items):
        seen.append((key, tuple(items)))
        if len(seen) == 1:
            first.wait(60)
        return [10 * item for item in items]

    gather = Gather(work, most=3)
    with ThreadPoolExecutor(8) as pool:
        alone = pool.submit(gather, "a", 0)
        while not seen:
            pass
        assert gather.is_busy
        rest = []
        for key, item in (("a", 1), ("b", 2), ("a", 3), ("a", 4), ("a", 5)):
            rest.append(pool.submit(gather, key, item))
            while len(gather._waiting) < len(rest):
                pass
        first.set()
        assert [one.result(60) for one in (alone, *rest)] == [0, 10, 20, 30, 40, 50]
    assert seen == [("a", (0,)), ("a", (1, 3, 4)), ("b", (2,)), ("a", (5,))] and not gather.is_busy


def test_an_error_reaches_its_caller_alone():
    start = threading.Barrier(4)

    def work(key, items):
        if -1 in items:
            raise ValueError("that one")
        return items

    gather = Gather(work)

    def ask(item):
        start.wait(60)
        return gather("a", item)

    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(ask, item) for item in (1, -1, 2, 3)]
        assert [asked[n].result(60) for n in (0, 2, 3)] == [1, 2, 3]
        with pytest.raises(ValueError, match="that one"):
            asked[1].result(60)
    assert gather("a", 7) == 7


def test_many_at_once_each_get_their_own():
    gather = Gather(lambda key, items: [(key, item) for item in items])
    with ThreadPoolExecutor(16) as pool:
        asked = [(n % 3, n, pool.submit(gather, n % 3, n)) for n in range(600)]
        assert all(one.result(60) == (key, n) for key, n, one in asked)


def test_one_thread_does_all_the_work():
    threads = set()

    def work(_key: str, items: list[int]) -> list[int]:
        threads.add(threading.get_ident())
        return items

    gather = Gather(work)
    callers = [threading.Thread(target=gather, args=("a", number)) for number in range(6)]
    for one in callers:
        one.start()
    for one in callers:
        one.join()
    assert len(threads) == 1 and threading.get_ident() not in threads
