"""The quota: exact under contention, moving with time, free where the failure is ours."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import update

from leaderboard.jobs import Fault, cancel, rerun
from leaderboard.lease import claim, fail, release
from leaderboard.names import SubmissionError
from leaderboard.quota import charged
from leaderboard.store import Store, charges, jobs
from tests.leaderboard.conftest import add_job, count, now


def cost(store, config, user="ann"):
    with store.read() as connection:
        return charged(connection, config, user)


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


@pytest.mark.parametrize("fault, left", [(Fault.SUBMITTER, 1), (Fault.OURS, 0)])
def test_failures_of_ours_are_free(store, config, queue, fault, left):
    queue()
    job = claim(store, config, "w")
    fail(store, job, fault, "a sentence")
    assert (now(store, job).state, now(store, job).fault, now(store, job).message) == ("failed", fault.value, "a sentence")
    with store.read() as connection:
        assert charged(connection, config, "ann") == left


def test_a_rerun_that_fails_by_our_fault_gives_its_own_charge_back_only(store, config, queue):
    job = queue().job
    fail(store, claim(store, config, "w"), Fault.SUBMITTER, "x")
    rerun(store, config, job.id)
    assert cost(store, config) == 2
    fail(store, claim(store, config, "w"), Fault.OURS, "x")
    assert cost(store, config) == 1


def test_a_job_handed_back_before_it_did_anything_is_cancelled_free_of_charge(store, config, queue):
    job = queue().job
    release(store, claim(store, config, "w"), "stopping")
    cancel(store, job.id)
    assert cost(store, config) == 0
    tried = queue().job
    release(store, claim(store, config, "w"), "crashed", counts=True)
    cancel(store, tried.id)
    assert cost(store, config) == 1


def test_a_charge_of_a_clock_that_was_wrong_does_not_count_for_years(store, config, queue):
    small = replace(config, quota=1)
    add_job(store, small, 1)
    with store.write() as connection:
        connection.execute(update(charges).values(at=charges.c.at + 10 * 365 * 86400))
    assert add_job(store, small, 2).is_new
    with pytest.raises(SubmissionError, match="next is possible in 24 hours"):
        add_job(store, small, 3)
