"""A worker's side of the queue on both databases: one worker a job, fencing, tries, deadlines, clocks that jump, rows that are held."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select, text, update

from leaderboard.jobs import Fault, position
from leaderboard.lease import LeaseLost, beat, claim, fail, finish, release, stop
from leaderboard.quota import charged
from leaderboard.store import Store, is_outage, jobs, results
from tests.leaderboard.conftest import count, now, record_of, shift_clock


def test_a_job_is_queued_run_and_done(store, config, queue):
    queued = queue().job
    assert (queued.state, queued.tries, queued.token) == ("queued", 0, 0)
    job = claim(store, config, "w1")
    assert (job.id, job.state, job.worker, job.tries, job.token) == (queued.id, "running", "w1", 1, 1)
    assert claim(store, config, "w2") is None
    beat(store, config, job, 0.5, "half way")
    assert (now(store, job).progress, now(store, job).message) == (0.5, "half way")
    finish(store, job, record_of(job))
    done = now(store, job)
    assert (done.state, done.progress, done.lease_until) == ("done", 1.0, None) and done.finished >= done.started
    assert count(store, results) == 1


def test_jobs_are_taken_in_their_order(store, config, queue):
    wanted = [queue(weights).job for weights in range(3)]
    with store.read() as connection:
        assert [position(connection, job.created, job.id) for job in wanted] == [0, 1, 2]
    assert [claim(store, config, "w").id for _ in wanted] == [job.id for job in wanted]


def test_a_worker_takes_only_what_it_has_the_data_for(store, config, queue):
    queue(1, benchmark="ferplus")
    sketch = queue(2, benchmark="sketch").job
    assert claim(store, config, "w", ["sketch"]).id == sketch.id
    assert claim(store, config, "w", ["sketch"]) is None and claim(store, config, "w", []) is None


def test_many_workers_at_once_never_share_a_job(store, config, queue, database_url):
    for weights in range(40):
        queue(weights)
    start = threading.Barrier(8)

    def work(name):
        own, taken = Store(database_url), []
        start.wait()
        while job := claim(own, config, name):
            finish(own, job, record_of(job))
            taken.append(job.id)
        own.close()
        return taken

    with ThreadPoolExecutor(8) as pool:
        taken = [job for names in pool.map(work, [f"w{i}" for i in range(8)]) for job in names]
    assert len(taken) == len(set(taken)) == 40 and count(store, results) == 40


def test_a_silent_worker_loses_its_job_and_can_no_longer_speak(store, config, queue):
    queue()
    late = claim(store, config, "late")
    shift_clock(store, config.lease + 1)
    other = claim(store, config, "other")
    assert (other.id, other.tries, other.token) == (late.id, 2, 2)
    for word in (
        lambda: beat(store, config, late, 0.9, ""),
        lambda: finish(store, late, record_of(late)),
        lambda: fail(store, late, Fault.OURS, "x"),
        lambda: stop(store, late),
    ):
        with pytest.raises(LeaseLost):
            word()
    release(store, late, "too late")
    assert now(store, other) == other and count(store, results) == 0
    finish(store, other, record_of(other))
    assert count(store, results) == 1


def test_a_worker_past_its_lease_cannot_publish_even_when_nobody_took_over(store, config, queue):
    queue()
    job = claim(store, config, "w")
    shift_clock(store, config.lease + 1)
    with pytest.raises(LeaseLost):
        beat(store, config, job, 0.5, "")
    with pytest.raises(LeaseLost):
        finish(store, job, record_of(job))
    assert count(store, results) == 0


def test_a_hung_job_that_keeps_beating_is_taken_away_at_its_deadline(store, config, queue):
    queue()
    job = claim(store, config, "w")
    with store.write() as connection:
        connection.execute(update(jobs).values(deadline=jobs.c.deadline - config.max_seconds - config.lease))
    with pytest.raises(LeaseLost):
        beat(store, config, job, 0.5, "still here")
    assert claim(store, config, "other").token == 2


def test_a_clock_that_jumps_back_does_not_hold_a_job_for_ever(store, config, queue):
    queue()
    claim(store, config, "w")
    shift_clock(store, -86400)
    assert claim(store, config, "other") is not None


def test_three_silent_tries_fail_the_job_free_of_charge_and_the_queue_moves_on(store, config, queue):
    bad, good = queue(1).job, queue(2).job
    for tries in (1, 2, 3):
        assert (job := claim(store, config, "w")).id == bad.id and job.tries == tries
        shift_clock(store, config.lease + 1)
    assert claim(store, config, "w").id == good.id
    failed = now(store, bad)
    assert (failed.state, failed.fault, failed.lease_until) == ("failed", "ours", None) and "3 times" in failed.message
    with store.read() as connection:
        assert charged(connection, config, "ann") == 1


def test_a_hand_back_is_no_try_but_a_crash_is(store, config, queue):
    queue()
    for _ in range(5):
        release(store, claim(store, config, "w"), "stopping")
    job = claim(store, config, "w")
    assert (job.tries, job.token) == (1, 6)
    release(store, job, "the evaluation crashed", counts=True)
    assert claim(store, config, "w").tries == 2


def test_finish_stores_the_result_and_the_state_together_or_not_at_all(store, config, queue):
    queue(1), queue(2)
    first, second = claim(store, config, "w"), claim(store, config, "w")
    finish(store, first, record := record_of(first))
    with pytest.raises(Exception, match=r"(?i)unique"):
        finish(store, second, record)
    assert now(store, second).state == "running" and count(store, results) == 1
    finish(store, second, record_of(second))


def test_a_full_disk_at_the_end_rolls_back_and_the_retry_succeeds(store, config, queue):
    queue()
    job = claim(store, config, "w")
    with store.write() as connection:
        if store.is_sqlite:
            connection.execute(text("CREATE TRIGGER full_disk BEFORE INSERT ON results BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"))
        else:
            body = "BEGIN RAISE EXCEPTION 'disk is full' USING ERRCODE = 'disk_full'; END"
            connection.execute(text(f"CREATE FUNCTION no_space() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$"))
            connection.execute(text("CREATE TRIGGER full_disk BEFORE INSERT ON results FOR EACH ROW EXECUTE FUNCTION no_space()"))
    with pytest.raises(Exception, match="disk is full"):
        finish(store, job, record_of(job))
    assert now(store, job).state == "running" and count(store, results) == 0
    with store.write() as connection:
        connection.execute(text("DROP TRIGGER full_disk" + ("" if store.is_sqlite else " ON results")))
    finish(store, job, record_of(job))
    assert now(store, job).state == "done" and count(store, results) == 1


on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)  # SQLite locks the file, not a row, as long as its process lives


@on_postgresql
def test_a_row_that_a_frozen_client_holds_stops_nobody(store, config, queue):
    for weights in (1, 2):
        queue(weights)
    for _ in range(config.max_tries):
        held = claim(store, config, "frozen")
        shift_clock(store, config.lease + 1)
    with store.write() as connection:  # as a client stopped in the middle of a beat
        connection.execute(update(jobs).where(jobs.c.id == held.id).values(message="beating"))
        began = time.monotonic()
        other = claim(store, config, "w")
        assert other.id != held.id and time.monotonic() - began < 5
    assert claim(store, config, "w") is None and now(store, held).state == "failed"


@on_postgresql
def test_a_client_that_holds_its_locks_too_long_loses_them(store, config, queue, monkeypatch, database_url):
    monkeypatch.setattr("leaderboard.store.IDLE_SECONDS", 1)
    job = queue().job
    frozen = Store(database_url)
    with pytest.raises(Exception, match="idle-in-transaction") as lost, frozen.write() as connection:
        connection.execute(update(jobs).values(message="frozen"))
        time.sleep(2)
        connection.execute(select(jobs))
    assert is_outage(lost.value), "a worker that wakes up sees an outage and tries again"
    frozen.close()
    assert claim(store, config, "w").id == job.id
