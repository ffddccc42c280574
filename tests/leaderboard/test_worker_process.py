"""Workers as processes of their own: signals, kills, a frozen worker, a database that is gone, a clock that jumps."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import update

from leaderboard.config import ROOT
from leaderboard.store import Store, jobs
from leaderboard.worker import Worker
from tests.leaderboard.conftest import QUICK, add_job
from tests.leaderboard.steered import running_child, state, stored, wait_until


@pytest.fixture
def start(config, steer):
    """Starts worker processes with the quick child; whatever still runs at the end of the test is killed."""
    started = []

    def begin(*arguments: str, **settings: str) -> subprocess.Popen[str]:
        environment = {**os.environ, "FER_DATA": str(config.data), "FER_DATABASE_URL": config.url, "FER_CACHE": str(steer), "PYTHONPATH": str(ROOT), **settings}
        script = str(Path(__file__).with_name("quick_worker.py"))
        started.append(subprocess.Popen([sys.executable, script, *arguments], env=environment, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def is_gone(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] == "Z"
    except OSError:
        return True


def test_sigterm_hands_the_job_back_and_another_worker_takes_it_at_once(store, config, queue, steer, start):
    (steer / "hold").touch()
    queued = queue(1)
    process = start()
    child = running_child(steer)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    assert "handed back" in process.communicate(timeout=90)[1] and process.returncode == 0 and is_gone(child)
    job = state(store, queued)
    assert (job.state, job.tries, job.message) == ("queued", 0, "handed back by a worker that stopped")
    (steer / "hold").unlink()
    Worker(store, config, command=QUICK).run(once=True)
    assert state(store, queued).state == "done"


def test_sigterm_lets_a_short_job_finish(store, config, queue, steer, start):
    (steer / "hold").touch()
    queued = queue(1)
    process = start()
    running_child(steer)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    (steer / "hold").unlink()
    process.communicate(timeout=90)
    assert state(store, queued).state == "done"


def let_the_lease_pass(store):
    with store.write() as connection:
        connection.execute(update(jobs).values(lease_until=jobs.c.lease_until - 3600))


def test_a_killed_worker_takes_its_child_with_it_and_its_job_is_taken_over(store, config, queue, steer, start):
    (steer / "hold").touch()
    queued = queue(1)
    process = start()
    child = running_child(steer)
    process.kill()
    process.wait()
    wait_until(lambda: is_gone(child))
    (steer / "hold").unlink()
    let_the_lease_pass(store)
    Worker(store, config, command=QUICK).run(once=True)
    assert (state(store, queued).state, state(store, queued).tries) == ("done", 2) and len(stored(store)) == 1


def test_a_worker_frozen_past_its_lease_cannot_publish_when_it_wakes(store, config, queue, steer, start):
    (steer / "hold").touch()
    queued = queue(1)
    frozen = start("--once")
    running_child(steer)
    with store.write():  # stopped outside a transaction: one stopped inside holds SQLite's only write lock, and nobody can work until it is gone
        frozen.send_signal(signal.SIGSTOP)
    let_the_lease_pass(store)
    (steer / "hold").unlink()
    Worker(store, config, command=QUICK).run(once=True)
    (row,) = stored(store)
    frozen.send_signal(signal.SIGCONT)
    assert "no longer ours, nothing written" in frozen.communicate(timeout=120)[1]
    assert stored(store) == [row] and row.token == 2 and state(store, queued).state == "done"
    assert {path.stem for path in (config.data / "predictions").iterdir()} == {row.id}


def test_a_database_that_is_gone_for_ten_seconds_costs_nothing(store, queue, steer, start, database_url, request):
    gone = float(os.environ.get("FER_TEST_OUTAGE", "3"))
    (steer / "hold").touch()
    first, second = queue(1), queue(2)
    process = start("--once")
    running_child(steer)
    if store.is_sqlite:
        holder = Store(database_url)
        with holder.engine.connect() as connection:
            connection = connection.execution_options(begin="BEGIN EXCLUSIVE")
            with connection.begin():
                time.sleep(gone)
        holder.close()
    else:
        server = request.getfixturevalue("postgres")
        server.stop()
        time.sleep(gone)
        server.start()
    (steer / "hold").unlink()
    log = process.communicate(timeout=120)[1]
    for queued in (first, second):
        assert (state(store, queued).state, state(store, queued).tries) == ("done", 1), log
    assert len(stored(store)) == 2


def test_a_clock_that_jumps_an_hour_costs_a_try_and_no_result(store, config, queue, steer, start):
    (steer / "hold").touch()
    queued = queue(1)
    process = start("--once")
    running_child(steer)
    with store.write() as connection:
        connection.execute(update(jobs).values(lease_until=jobs.c.lease_until - 3600, deadline=jobs.c.deadline - 3600))
    (steer / "hold").unlink()
    process.communicate(timeout=90)
    assert state(store, queued).state == "done" and state(store, queued).token == 2 and len(stored(store)) == 1


def test_two_quick_submissions_of_one_user_and_two_workers(store, config, steer, start):
    for weights in range(6):
        add_job(store, config, weights)
    processes = [start("--once") for _ in range(2)]
    for process in processes:
        process.communicate(timeout=90)
    assert len(stored(store)) == 6
