"""The pace of live pictures."""

from __future__ import annotations

import threading

import pytest

from space.pace import Pace


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def look(pace: Pace, clock: Clock, seconds: float) -> bool:
    with pace.turn() as mine:
        if mine:
            clock.now += seconds
        return mine


@pytest.mark.parametrize(("cost", "looked_at"), [(0.05, 20), (0.3, 7), (2.0, 1)])
def test_five_a_second_are_looked_at_by_a_fast_machine_and_fewer_by_a_slow_one(cost: float, looked_at: int):
    clock = Clock()
    pace, seen, at = Pace(clock), 0, clock.now
    for number in range(20):  # four seconds of the webcam
        clock.now = max(clock.now, at + 0.2 * number + 1e-9)
        seen += look(pace, clock, cost) if clock.now < at + 4 else False
    assert seen == looked_at


def test_a_picture_that_comes_meanwhile_is_left_out():
    pace, answers = Pace(), []
    with pace.turn() as mine:
        other = threading.Thread(target=lambda: answers.append(pace.turn().__enter__()))
        other.start()
        other.join()
    assert mine and answers == [False]


def test_a_picture_that_cannot_be_read_does_not_stop_the_next():
    pace = Pace(Clock())
    with pytest.raises(ValueError, match="broken"), pace.turn():
        raise ValueError("broken")
    with pace.turn() as mine:
        assert mine
