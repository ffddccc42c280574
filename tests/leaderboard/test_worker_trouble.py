"""A worker when the machine, the database or the Hub fails it: nothing is lost, and nobody is charged for it."""

import errno
import os
import threading
import time
from dataclasses import replace

import pytest
from sqlalchemy import event, text

from leaderboard import lease
from leaderboard.accepted import obtain_weights, weights_path
from leaderboard.fetch import HubUnavailable
from leaderboard.jobs import cancel
from leaderboard.worker import Worker
from tests.leaderboard.conftest import QUICK
from tests.leaderboard.steered import state, stored, wait_until


def test_a_full_disk_of_the_worker_is_not_the_jobs_fault(store, config, queue, steer):
    (steer / "broken").touch()
    queued = queue(1)
    worker = Worker(store, config, command=QUICK)
    worker.work(lease.claim(store, config, "w"))
    assert (state(store, queued).state, state(store, queued).tries) == ("queued", 0)
    (steer / "broken").unlink()
    worker.run(once=True)
    assert state(store, queued).state == "done"


def test_a_database_that_is_full_when_the_job_ends_gets_the_result_later(store, worker, queue):
    queued = queue(1)
    with store.write() as connection:
        if store.is_sqlite:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        else:
            body = "BEGIN RAISE EXCEPTION 'no space' USING ERRCODE = 'disk_full'; END"
            connection.execute(text(f"CREATE FUNCTION no_space() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$"))
            connection.execute(text("CREATE TRIGGER full_disk BEFORE INSERT ON results FOR EACH ROW EXECUTE FUNCTION no_space()"))
    if store.is_sqlite:  # SQLite itself says "database or disk is full"
        with store.write() as connection:
            connection.execute(text("CREATE TABLE filler (x BLOB)"))
        limit = f"PRAGMA max_page_count = {pages + 1}"
        event.listen(store.engine, "checkout", full := lambda connection, *_: connection.execute(limit))
        with store.engine.connect() as connection, pytest.raises(Exception, match="full"):
            connection.exec_driver_sql("INSERT INTO filler VALUES (zeroblob(100000))")
    failures = []
    event.listen(store.engine, "handle_error", lambda context: failures.append(str(context.original_exception)))

    def make_room() -> None:
        wait_until(lambda: failures)
        if store.is_sqlite:
            event.remove(store.engine, "checkout", full)
            event.listen(store.engine, "checkout", lambda connection, *_: connection.execute("PRAGMA max_page_count = 100000"))
        else:
            with store.write() as connection:
                connection.execute(text("DROP TRIGGER full_disk ON results"))

    thread = threading.Thread(target=make_room)
    if store.is_sqlite:
        with store.write() as connection:  # the result needs a page of its own
            connection.execute(text("CREATE TRIGGER grow AFTER INSERT ON results BEGIN INSERT INTO filler VALUES (zeroblob(50000)); END"))
    thread.start()
    worker.run(once=True)
    thread.join()
    assert any("full" in failure or "no space" in failure for failure in failures)
    assert state(store, queued).state == "done" and state(store, queued).tries == 1 and len(stored(store)) == 1


def test_damaged_or_missing_weights_are_our_fault(store, config, worker, queue):
    first, second = queue(1), queue(2)
    weights_path(config, first.job.weights_sha256).write_bytes(b"damaged")
    weights_path(config, second.job.weights_sha256).unlink()
    worker.run(once=True)
    for queued in (first, second):
        assert (state(store, queued).state, state(store, queued).fault) == ("failed", "ours")
        assert "common FER_DATA folder" in state(store, queued).message


def from_a_slow_hub(monkeypatch, config, seconds=2.0, answer=None):
    """The Hub takes its time, then ``answer`` is raised or the stored weights are given."""
    stored = obtain_weights

    def slow(*arguments):
        time.sleep(seconds)
        if answer:
            raise answer
        return stored(*arguments)

    monkeypatch.setattr("leaderboard.attempt.obtain_weights", slow)


def test_a_download_longer_than_the_lease_keeps_the_job(store, config, queue, steer, monkeypatch):
    from_a_slow_hub(monkeypatch, config)
    queued = queue(1)
    Worker(store, replace(config, lease=1.0, beat=0.3), command=QUICK).run(once=True)
    assert (state(store, queued).state, state(store, queued).tries) == ("done", 1)


def test_a_cancel_during_the_download_is_heard_at_once(store, config, worker, queue, steer, monkeypatch):
    from_a_slow_hub(monkeypatch, config, seconds=5.0)
    queued = queue(1)
    thread = threading.Thread(target=worker.run, kwargs={"once": True})
    began = time.monotonic()
    thread.start()
    wait_until(lambda: state(store, queued).state == "running")
    cancel(store, queued.job.id)
    wait_until(lambda: state(store, queued).state == "cancelled")
    assert time.monotonic() - began < 4
    thread.join(60)


def test_a_hub_that_is_away_is_asked_again_and_then_it_is_our_fault(store, worker, config, queue, steer, monkeypatch):
    from_a_slow_hub(monkeypatch, config, seconds=0.0, answer=HubUnavailable("the Hub sleeps"))
    queued = queue(1)
    worker.run(once=True)
    job = state(store, queued)
    assert (job.state, job.fault, job.tries) == ("failed", "ours", 3) and "because the Hugging Face Hub did not answer" in job.message


@pytest.mark.parametrize("number, state_then", [(errno.ENOSPC, "queued"), (errno.EROFS, "queued"), (errno.ENOENT, "failed")])
def test_trouble_of_the_machine_is_no_try_and_any_other_error_is(store, config, worker, queue, monkeypatch, number, state_then):
    def broken(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("leaderboard.attempt.obtain_weights", broken)
    queued = queue(1)
    for _ in range(config.max_tries + 1):
        if job := lease.claim(store, config, "w"):
            worker.work(job)
    assert state(store, queued).state == state_then
    assert (os.strerror(number) in state(store, queued).message) == (state_then == "queued")
