"""A worker's side of the queue: take a job under a lease, renew it, end it. Every word carries the token of the claim, so a late one changes nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, func, insert, or_, select, true, update

from leaderboard.config import Config
from leaderboard.jobs import MAX_MESSAGE, Fault, Job, job_of
from leaderboard.quota import refund
from leaderboard.record import Record
from leaderboard.store import Store, db_now, jobs, logs, results, upsert


class LeaseLost(Exception):
    """The job is no longer this worker's: nothing was written, and nothing more may be."""


class Cancelled(Exception):
    """The submitter cancelled the job; its worker stops."""


def _expired(config: Config) -> ColumnElement[bool]:
    """Running, but silent past its lease or at work past its deadline; a lease far in the future is a clock that jumped back."""
    silent = or_(jobs.c.lease_until < db_now(), jobs.c.lease_until > db_now() + 2 * config.lease, jobs.c.deadline < db_now())
    return and_(jobs.c.state == "running", silent)


def claim(store: Store, config: Config, worker: str, benchmarks: Sequence[str] | None = None) -> Job | None:
    """Take the oldest job that waits or whose worker fell silent, in one statement; None when there is none.

    benchmarks: only those this worker has the data for; None for all. A job out of tries fails here, so the queue moves on.
    """
    mine = jobs.c.benchmark.in_(benchmarks) if benchmarks is not None else true()
    waiting = or_(jobs.c.state == "queued", _expired(config))
    oldest = select(jobs.c.id).where(waiting, mine).order_by(jobs.c.created, jobs.c.id).limit(1).with_for_update(skip_locked=True).scalar_subquery()
    take = (
        update(jobs)
        .where(jobs.c.id == oldest)
        .values(
            state="running", worker=worker, token=jobs.c.token + 1, tries=jobs.c.tries + 1, lease_until=db_now() + config.lease,
            deadline=db_now() + config.max_seconds + config.lease, started=func.coalesce(jobs.c.started, db_now()), progress=0.0, message="starting",
        )
        .returning(jobs)
    )  # fmt: skip
    with store.write() as connection:
        expire(connection, config)
        row = connection.execute(take).first()
    return job_of(row) if row else None


def expire(connection: Connection, config: Config) -> None:
    """End the jobs whose worker fell silent once too often, or that were cancelled meanwhile; a row that somebody holds is left for the next time."""

    def gone(which: ColumnElement[bool]) -> ColumnElement[bool]:
        return jobs.c.id.in_(select(jobs.c.id).where(_expired(config), which).with_for_update(skip_locked=True))

    ends = {"finished": db_now(), "lease_until": None, "deadline": None}
    connection.execute(update(jobs).where(gone(jobs.c.cancel_asked == 1)).values(state="cancelled", message="cancelled", **ends))
    sentence = f"The evaluation ended its worker {config.max_tries} times without a word, so it is not tried again; this was not charged."
    lost = update(jobs).where(gone(jobs.c.tries >= config.max_tries)).values(state="failed", fault=Fault.OURS.value, message=sentence, **ends)
    refund(connection, [row.id for row in connection.execute(lost.returning(jobs.c.id))])


def _held(job: Job) -> ColumnElement[bool]:
    """The job is still this worker's, its lease and its deadline not past."""
    return and_(jobs.c.id == job.id, jobs.c.token == job.token, jobs.c.state == "running", jobs.c.lease_until >= db_now(), jobs.c.deadline >= db_now())


def _note(connection: Connection, job: Job, log: str) -> None:
    """Keep what the evaluation said; only in a transaction that has seen that the job is still this worker's. "" changes nothing."""
    if log:
        connection.execute(upsert(connection, logs, {"job": job.id, "text": log}, {"text": log}))


def beat(store: Store, config: Config, job: Job, progress: float, message: str, log: str = "") -> None:
    """Renew the lease, tell how far the job is and what it said. Raises Cancelled or LeaseLost; then the worker stops at once."""
    said = update(jobs).where(_held(job)).values(lease_until=db_now() + config.lease, progress=progress, message=message[:MAX_MESSAGE])
    said = said.returning(jobs.c.cancel_asked)
    with store.write() as connection:
        row = connection.execute(said).first()
        if row is not None:
            _note(connection, job, log)
    if row is None:
        raise LeaseLost(job.id)
    if row.cancel_asked:
        raise Cancelled(job.id)


def check(store: Store, job: Job) -> None:
    """See, without writing, whether the job is still this worker's and wanted. Raises Cancelled or LeaseLost."""
    with store.read() as connection:
        row = connection.execute(select(jobs.c.cancel_asked).where(_held(job))).first()
    if row is None:
        raise LeaseLost(job.id)
    if row.cancel_asked:
        raise Cancelled(job.id)


def finish(store: Store, job: Job, record: Record, log: str = "") -> None:
    """Store the result and end the job in one transaction. Raises LeaseLost, with nothing written, when the job is no longer ours.

    A cancel that comes after the last beat comes too late: the result stands.
    """
    text = json.dumps(record.to_dict(), sort_keys=True, allow_nan=False)  # before the transaction, which on SQLite keeps every other writer waiting
    result = insert(results).values(id=record.id, job=job.id, token=job.token, record=text, created=db_now(), published_commit="")
    with store.write() as connection:
        if not _end(connection, job, log, state="done", progress=1.0, message="done"):
            raise LeaseLost(job.id)
        connection.execute(result)


def fail(store: Store, job: Job, fault: Fault, sentence: str, log: str = "") -> None:
    """End the job with a sentence for the submitter. Raises LeaseLost when it is no longer ours."""
    with store.write() as connection:
        if not _end(connection, job, log, state="failed", fault=fault.value, message=sentence[:MAX_MESSAGE]):
            raise LeaseLost(job.id)
        if fault is Fault.OURS:
            refund(connection, [job.id])


def stop(store: Store, job: Job, log: str = "") -> None:
    """End a running job that its submitter cancelled. Raises LeaseLost when it is no longer ours."""
    with store.write() as connection:
        if not _end(connection, job, log, state="cancelled", message="cancelled"):
            raise LeaseLost(job.id)


def _end(connection: Connection, job: Job, log: str, **values: Any) -> bool:
    ended = update(jobs).where(_held(job)).values(**values, finished=db_now(), lease_until=None, deadline=None)
    if connection.execute(ended.returning(jobs.c.id)).first() is None:
        return False
    _note(connection, job, log)
    return True


def release(store: Store, job: Job, message: str, log: str = "", counts: bool = False) -> None:
    """Put the job back for another worker; unless it ``counts`` as a try, as if it had never been taken. A job no longer ours is left alone."""
    back = {"state": "queued", "worker": "", "lease_until": None, "deadline": None, "progress": 0.0, "message": message[:MAX_MESSAGE]}
    tries = jobs.c.tries if counts else jobs.c.tries - 1
    started = case((tries == 0, None), else_=jobs.c.started)  # never started, as far as the quota of one who now cancels it is concerned
    put = update(jobs).where(_held(job)).values(**back, tries=tries, started=started).returning(jobs.c.id)
    with store.write() as connection:
        if connection.execute(put).first() is not None:
            _note(connection, job, log)
