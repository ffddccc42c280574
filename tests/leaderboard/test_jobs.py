"""A submitter's side of the queue on both databases: the same weights once, cancel, re-run, and whose job it is."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy.exc import IntegrityError

from leaderboard import jobs as module
from leaderboard.jobs import Fault, cancel, rerun
from leaderboard.lease import Cancelled, LeaseLost, beat, claim, fail, finish, stop
from leaderboard.names import SubmissionError
from leaderboard.store import Store, charges, jobs
from tests.leaderboard.conftest import add_job, count, now, record_of, shift_clock


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


def test_two_reruns_of_the_same_weights_at_once_make_one_job(store, config, queue, monkeypatch):
    first = queue(1).job
    fail(store, claim(store, config, "w"), Fault.SUBMITTER, "x")
    second = queue(1).job
    fail(store, claim(store, config, "w"), Fault.SUBMITTER, "x")
    own = Store(config.url)
    known = module._owned

    def meanwhile(connection, job_id, user):
        """The other rerun commits after this one has looked; on SQLite, whose writers come one after the other, only its index can tell."""
        found = known(connection, job_id, user)
        monkeypatch.setattr(module, "_owned", known)
        if not store.is_sqlite:
            assert rerun(own, config, second.id).state == "queued"
        return found

    if store.is_sqlite:
        with pytest.raises(IntegrityError), store.write() as connection:
            connection.execute(jobs.update().values(state="queued"))
        rerun(own, config, second.id)
    monkeypatch.setattr(module, "_owned", meanwhile)
    with pytest.raises(SubmissionError, match="already have another job on that benchmark"):
        rerun(store, config, first.id)
    assert now(store, first).state == "failed" and now(store, second).state == "queued"
    own.close()
