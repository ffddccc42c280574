"""Publishing beside the work: soon after a result, again where the Hub was away, once more at the end, and never in the worker's way."""

import threading
import time

import pytest

from leaderboard import publisher as module
from leaderboard.publish import PublishError
from leaderboard.publisher import Publisher


@pytest.fixture
def calls(monkeypatch):
    """The outcomes that ``publish`` has, one a call (0 when they are used up), and when it was called."""
    outcomes, made = [], []

    def publish(*_):
        made.append(time.monotonic())
        if outcomes and isinstance(outcomes[0], Exception):
            raise outcomes.pop(0)
        return 0

    monkeypatch.setattr(module, "publish", publish)
    return outcomes, made


def wait_for(made, count):
    patience = time.monotonic() + 60
    while len(made) < count:
        assert time.monotonic() < patience
        time.sleep(0.01)


def test_what_waits_is_published_at_the_start_at_each_nudge_and_at_the_end(calls):
    _, made = calls
    with Publisher(None, None, "t") as publisher:
        wait_for(made, 1)
        publisher.nudge()
        wait_for(made, 2)
    assert len(made) == 3


@pytest.mark.parametrize("error", [PublishError("the Hub is away"), RuntimeError("a bug")])
def test_a_failure_is_logged_and_tried_again(calls, monkeypatch, caplog, error):
    outcomes, made = calls
    outcomes.append(error)
    monkeypatch.setattr(module, "AGAIN_SECONDS", 0.05)
    with Publisher(None, None, "t"):
        wait_for(made, 2)
    assert "not published yet" in caplog.text


def test_a_hub_that_hangs_does_not_hold_up_the_end(monkeypatch):
    hanging = threading.Event()
    monkeypatch.setattr(module, "publish", lambda *_: hanging.wait(60))
    monkeypatch.setattr(module, "CLOSE_SECONDS", 0.1)
    began = time.monotonic()
    with Publisher(None, None, "t") as publisher:
        publisher.nudge()
    hanging.set()
    assert time.monotonic() - began < 10
