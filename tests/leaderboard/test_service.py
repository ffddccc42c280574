"""What runs beside the pages: a worker that is started again whenever it ends and stops with the page, and results put back."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

from sqlalchemy import select

from leaderboard import service
from leaderboard.config import ROOT
from leaderboard.service import put_back
from leaderboard.store import results
from tests.leaderboard.fakehub import FakeHub
from tests.leaderboard.test_publish import REPO, TOKEN, measure, publish

PAGE = """
import sys, time
from leaderboard import service
service.FIRST_PAUSE = 0.05
service.keep_worker([sys.executable, "-c", "import os, sys; print(os.getpid(), file=sys.stderr, flush=True); os.read(0, 1)"])
time.sleep(600)
"""


def is_gone(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_killed_worker_is_started_again_and_ends_with_its_page():
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", PAGE], env=environment, stderr=subprocess.PIPE, text=True) as page:
        first = int(page.stderr.readline())
        os.kill(first, signal.SIGKILL)
        lines = [page.stderr.readline(), page.stderr.readline()]
        second = int(next(line for line in lines if line.strip().isdigit()))
        assert second != first and not is_gone(second) and any("ended with code -9" in line for line in lines)
        page.kill()
    patience = time.monotonic() + 60
    while not is_gone(second):
        assert time.monotonic() < patience, "the worker outlived its page"
        time.sleep(0.05)


def test_a_worker_that_dies_at_once_is_started_less_and_less_often_and_one_that_lasted_soon():
    pauses = [service.FIRST_PAUSE]
    for _ in range(10):
        pauses.append(service.next_pause(pauses[-1], 0.1))
    assert pauses == sorted(pauses) and pauses[1] == 2 and pauses[-1] == service.LONGEST_PAUSE
    assert service.next_pause(pauses[-1], 3600) == service.FIRST_PAUSE


def test_published_results_are_put_back_and_a_hub_that_is_away_is_only_logged(store, config, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("leaderboard.fetch.time.sleep", lambda _: None)
    put_back(store, config)
    with FakeHub() as hub:
        hub.repo("dataset", REPO)
        there = replace(config, endpoint=hub.url, results_repo=REPO)
        id = measure(store, there, 1)
        publish(store, there, TOKEN)
        empty = service.Store(f"sqlite:///{tmp_path}/empty/leaderboard.db")
        empty.migrate()
        put_back(empty, replace(there, data=tmp_path / "empty"))
    put_back(empty, replace(there, data=tmp_path / "empty", endpoint="http://127.0.0.1:9"))
    with empty.read() as connection:
        assert list(connection.execute(select(results.c.id)).scalars()) == [id]
    assert "published results are not put back" in caplog.text
    empty.close()
