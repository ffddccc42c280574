"""The measurement of serving on made-up visitors: who asks how often, what is counted, what stops it (tests/browser/test_load.py asks the app)."""

from __future__ import annotations

import os
import threading
import time

import pytest

from space.commands.serving import row
from space.serving import NotServed, Serving, cpu_seconds, measure, resident, turn


def test_everybody_asks_until_the_time_is_up_and_only_answers_count():
    asked, guard, together = [0, 0], threading.Lock(), threading.Barrier(3)

    def ask() -> bool:
        with guard:
            asked[0] += 1
            first = asked[0] <= 3
        if first:
            together.wait(60)  # only three visitors at once can pass
        time.sleep(0.01)
        with guard:
            asked[1] += 1
            return asked[1] % 2 == 0

    found = turn(ask, 3, 0.1)
    assert len(found.waits) == asked[0] // 2 and len(found.waits) + found.busy == asked[0] >= 3
    assert min(found.waits) >= 0.01 and found.seconds >= 0.1 and found.cpu is None
    assert found.rate == len(found.waits) / found.seconds


def test_the_figures():
    """Everybody waits for one lock: many get through no faster than one, and each waits for all the others."""
    lock = threading.Lock()

    def ask() -> bool:
        with lock:
            time.sleep(0.005)
        return True

    found = measure(ask, visitors=4, seconds=0.2, rounds=2, pid=os.getpid())
    assert found.visitors == 4 and found.busy == 0 and found.answers >= 4 and 0 < found.ratio < 4 and found.p95 >= 0.005
    assert found.alone > 0 and found.together > 0
    if cpu_seconds(os.getpid()) is not None:
        assert found.cpu_alone is not None and found.cpu_together is not None and found.memory is not None and min(found.memory) > 10


def test_what_goes_wrong_stops_all():
    def ask() -> bool:
        raise NotServed("something else")

    with pytest.raises(NotServed, match="something else"):
        turn(ask, 3, 60.0)
    with pytest.raises(NotServed, match="nobody got an answer"):
        measure(lambda: time.sleep(0.01) is not None, 2, 0.05, 1)


def test_a_process_that_is_not_there():
    assert cpu_seconds(None) is None and resident(None) is None


def test_the_row():
    names, figures = row(Serving(20, 100, 0, 5.0, 10.0, 2.0, 1.5, 0.16, None, (700, 705))).splitlines()
    assert names.split()[:2] == ["what", "alone/s"] and figures.startswith("20 visitors against one at a time  5.00")
    assert figures.index("2.00") == names.index("ratio") and figures.index("160") == names.index("cpu ms alone") and "700 to 705" in figures
