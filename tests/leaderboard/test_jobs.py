"""The queue on both databases: one worker a job, fencing, tries, quota, cancel, re-run, and clocks that jump."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import func, select, text, update

from leaderboard.jobs import Cancelled, Fault, LeaseLost, beat, cancel, charged, claim, fail, finish, get, position, release, rerun, stop
from leaderboard.names import SubmissionError
from leaderboard.store import Store, charges, jobs, results
from tests.leaderboard.conftest import add_job, record_of


def now(store, job):
    with store.read() as connection:
        return get(connection, job.id)


def count(store, table):
    with store.read() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def shift_clock(store, seconds):
    """What every stored time looks like after the database's clock jumped by so many seconds."""
    with store.write() as connection:
        connection.execute(update(jobs).values(lease_until=jobs.c.lease_until - seconds, deadline=jobs.c.deadline - seconds, created=jobs.c.created - seconds))


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


@pytest.mark.parametrize("fault, left", [(Fault.SUBMITTER, 1), (Fault.OURS, 0)])
def test_failures_of_ours_are_free(store, config, queue, fault, left):
    queue()
    job = claim(store, config, "w")
    fail(store, job, fault, "a sentence")
    assert (now(store, job).state, now(store, job).fault, now(store, job).message) == ("failed", fault.value, "a sentence")
    with store.read() as connection:
        assert charged(connection, config, "ann") == left


def test_cancelling_a_waiting_job_is_free_and_immediate(store, config, queue):
    job = cancel(store, queue().job.id, "ann")
    assert job.state == "cancelled" and job.finished and count(store, charges) == 0
    assert claim(store, config, "w") is None


def test_cancelling_a_running_job_stops_its_worker_at_the_next_beat(store, config, queue):
    queue()
    job = claim(store, config, "w")
    assert cancel(store, job.id).state == "running"
    with pytest.raises(Cancelled):
        beat(store, config, job, 0.5, "")
    stop(store, job)
    assert now(store, job).state == "cancelled" and count(store, charges) == 1


def test_a_cancelled_job_whose_worker_died_is_cancelled_not_run_again(store, config, queue):
    queue()
    job = claim(store, config, "w")
    cancel(store, job.id)
    shift_clock(store, config.lease + 1)
    assert claim(store, config, "other") is None and now(store, job).state == "cancelled"


def test_nobody_cancels_or_reruns_what_is_not_theirs_or_has_ended(store, config, queue):
    job = queue().job
    for action in (lambda user: cancel(store, job.id, user), lambda user: rerun(store, config, job.id, user)):
        with pytest.raises(SubmissionError, match="no job"):
            action("bob")
    with pytest.raises(SubmissionError, match="no job"):
        cancel(store, "missing")
    with pytest.raises(SubmissionError, match="only a failed or cancelled"):
        rerun(store, config, job.id)
    cancel(store, job.id)
    with pytest.raises(SubmissionError, match="already ended"):
        cancel(store, job.id)


def test_a_rerun_starts_with_fresh_tries_but_never_with_an_old_token(store, config, queue):
    queue()
    late = claim(store, config, "late")
    for _ in range(3):
        shift_clock(store, config.lease + 1)
        claim(store, config, "w")
    again = rerun(store, config, late.id, "ann")
    assert (again.state, again.tries, again.token, again.fault) == ("queued", 0, 3, "")
    job = claim(store, config, "w")
    assert (job.tries, job.token) == (1, 4)
    with pytest.raises(LeaseLost):
        finish(store, late, record_of(late))
    finish(store, job, record_of(job))


def test_the_same_weights_run_once(store, config, queue):
    first = queue(1)
    again = queue(1, user="bob")
    assert first.is_new and not again.is_new and again.job.id == first.job.id
    assert queue(1, benchmark="ferplus").is_new
    finish(store, job := claim(store, config, "w", ["sketch"]), record_of(job))
    assert queue(1).job.id == first.job.id
    assert count(store, charges) == 2


def test_weights_that_failed_may_be_offered_again_but_not_twice_at_once(store, config, queue):
    first = queue(1).job
    fail(store, claim(store, config, "w"), Fault.SUBMITTER, "labels permuted")
    second = queue(1)
    assert second.is_new and second.job.id != first.id
    with pytest.raises(SubmissionError, match="already have another job"):
        rerun(store, config, first.id)


def test_the_quota_is_exact_when_one_user_submits_from_many_places(store, config, database_url):
    small = replace(config, quota=5)
    start = threading.Barrier(10)

    def submit(weights):
        own = Store(database_url)
        start.wait()
        try:
            return add_job(own, small, weights).is_new
        except SubmissionError as error:
            return str(error)
        finally:
            own.close()

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(submit, range(10)))
    assert answers.count(True) == 5 and count(store, jobs) == 5
    refusals = [answer for answer in answers if answer is not True]
    assert len(refusals) == 5 and all("used the 5 submissions allowed in 24 hours; the next is possible in 24 hours" in answer for answer in refusals)
    assert add_job(store, small, 99, user="bob").is_new


def test_the_quota_window_moves(store, config, queue):
    small = replace(config, quota=1, quota_window=3600)
    add_job(store, small, 1)
    with pytest.raises(SubmissionError, match="next is possible in 60 minutes"):
        add_job(store, small, 2)
    with store.write() as connection:
        connection.execute(update(charges).values(at=charges.c.at - 3601))
    assert add_job(store, small, 2).is_new


def test_the_same_weights_from_many_users_at_once_make_one_job(store, config, database_url):
    start = threading.Barrier(8)

    def submit(user):
        own = Store(database_url)
        start.wait()
        queued = add_job(own, config, 1, user=user)
        own.close()
        return queued

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(submit, [f"user{i}" for i in range(8)]))
    assert sum(answer.is_new for answer in answers) == 1 and len({answer.job.id for answer in answers}) == 1
    assert count(store, jobs) == count(store, charges) == 1


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
