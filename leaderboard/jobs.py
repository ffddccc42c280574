"""The queue: which job is whose, until when, and what became of it. One table is both the queue and what people see.

A job is taken under a lease that its worker renews; a worker that falls silent loses it. Each claim raises the job's fencing token, and every
later word of a worker must carry the token it was given, so a worker that comes back too late can change nothing. ``tries`` counts the
claims that ended without a word; a re-run resets it, the token only grows.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, delete, exists, func, insert, or_, select, true, update

from leaderboard.config import Config
from leaderboard.names import SubmissionError
from leaderboard.record import Record
from leaderboard.store import Store, charges, db_now, insert_for, jobs, new_id, results, submissions, upsert, users

LIVE = ("queued", "running", "done")
STATES = (*LIVE, "failed", "cancelled")
MAX_MESSAGE = 500


class Fault(Enum):
    """Whose fault a failure is; ours are not charged to the submitter's quota."""

    SUBMITTER = "submitter"
    OURS = "ours"


class LeaseLost(Exception):
    """The job is no longer this worker's: nothing was written, and nothing more may be."""


class Cancelled(Exception):
    """The submitter cancelled the job; its worker stops."""


@dataclass(frozen=True)
class Job:
    """A row of the queue. lease_until: seconds since 1970 by the database's clock, None unless running. progress: 0 to 1."""

    id: str
    submission: str
    benchmark: str
    protocol: str
    weights_sha256: str
    state: str
    fault: str
    tries: int
    token: int
    worker: str
    lease_until: float | None
    deadline: float | None
    cancel_asked: int
    progress: float
    message: str
    created: float
    started: float | None
    finished: float | None


@dataclass(frozen=True)
class Queued:
    """What became of a wish: the job, and whether the same weights already had one (then nothing was added or charged)."""

    job: Job
    is_new: bool


def _job(row: Any) -> Job:
    return Job(**row._mapping)


def enqueue(connection: Connection, config: Config, submission: str, weights_sha256: str, benchmark: str, protocol: str, user: str) -> Queued:
    """Add a job for a stored submission within the caller's transaction and charge the user.

    The same weights on the same benchmark and protocol are run once: the first job comes back. Raises SubmissionError over the quota.
    """
    lock_user(connection, user)
    same = and_(jobs.c.weights_sha256 == weights_sha256, jobs.c.benchmark == benchmark, jobs.c.protocol == protocol, jobs.c.state.in_(LIVE))
    if known := connection.execute(select(jobs).where(same)).first():
        return Queued(_job(known), is_new=False)
    check_quota(connection, config, user)
    values = {"id": new_id(), "submission": submission, "benchmark": benchmark, "protocol": protocol, "weights_sha256": weights_sha256, "state": "queued"}
    # Two users may offer the same weights at once; the index on live jobs lets one of them in.
    offer = insert_for(connection)(jobs).values(**values, created=db_now()).on_conflict_do_nothing()
    added = connection.execute(offer.returning(jobs)).first()
    if added is None:
        return Queued(_job(connection.execute(select(jobs).where(same)).one()), is_new=False)
    connection.execute(insert(charges).values(job=added.id, username=user, at=added.created))
    return Queued(_job(added), is_new=True)


def lock_user(connection: Connection, user: str) -> None:
    """Make this user's row and hold it until the transaction ends: whoever counts the user's charges now counts them exactly."""
    connection.execute(upsert(connection, users, {"name": user}, {"name": user}))


def charged(connection: Connection, config: Config, user: str) -> int:
    """Submissions that count against the user's quota now."""
    recent = and_(charges.c.username == user, charges.c.at > db_now() - config.quota_window)
    return connection.execute(select(func.count()).select_from(charges).where(recent)).scalar_one()


def check_quota(connection: Connection, config: Config, user: str) -> None:
    """Raise SubmissionError, saying when the next place is free, when the user has no submission left."""
    if charged(connection, config, user) < config.quota:
        return
    newest = select(charges.c.at).where(charges.c.username == user).order_by(charges.c.at.desc()).limit(config.quota).subquery()
    wait = connection.execute(select(func.min(newest.c.at) + config.quota_window - db_now())).scalar_one()
    raise SubmissionError(
        f"{user} has used the {config.quota} submissions allowed in {_duration(config.quota_window)}; the next is possible in {_duration(wait)}. "
        "Failures of ours and jobs cancelled before they started do not count."
    )


def _duration(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    return f"{minutes} minutes" if minutes < 120 else f"{round(minutes / 60)} hours"


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
    return _job(row) if row else None


def expire(connection: Connection, config: Config) -> None:
    """End the jobs whose worker fell silent once too often, or that were cancelled meanwhile."""
    gone = _expired(config)
    ends = {"finished": db_now(), "lease_until": None, "deadline": None}
    connection.execute(update(jobs).where(gone, jobs.c.cancel_asked == 1).values(state="cancelled", message="cancelled", **ends))
    sentence = f"The evaluation ended its worker {config.max_tries} times without a word, so it is not tried again; this was not charged."
    lost = update(jobs).where(gone, jobs.c.tries >= config.max_tries).values(state="failed", fault=Fault.OURS.value, message=sentence, **ends)
    _refund(connection, [row.id for row in connection.execute(lost.returning(jobs.c.id))])


def _held(job: Job) -> ColumnElement[bool]:
    """The job is still this worker's, its lease and its deadline not past."""
    return and_(jobs.c.id == job.id, jobs.c.token == job.token, jobs.c.state == "running", jobs.c.lease_until >= db_now(), jobs.c.deadline >= db_now())


def beat(store: Store, config: Config, job: Job, progress: float, message: str) -> None:
    """Renew the lease and tell how far the job is. Raises Cancelled or LeaseLost; then the worker stops at once."""
    said = update(jobs).where(_held(job)).values(lease_until=db_now() + config.lease, progress=progress, message=message[:MAX_MESSAGE])
    with store.write() as connection:
        row = connection.execute(said.returning(jobs.c.cancel_asked)).first()
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


def finish(store: Store, job: Job, record: Record) -> None:
    """Store the result and end the job in one transaction. Raises LeaseLost, with nothing written, when the job is no longer ours.

    A cancel that comes after the last beat comes too late: the result stands.
    """
    with store.write() as connection:
        done = _end(connection, job, state="done", progress=1.0, message="done")
        if not done:
            raise LeaseLost(job.id)
        text = json.dumps(record.to_dict(), sort_keys=True, allow_nan=False)
        connection.execute(insert(results).values(id=record.id, job=job.id, token=job.token, record=text, created=db_now(), published_commit=""))


def fail(store: Store, job: Job, fault: Fault, sentence: str) -> None:
    """End the job with a sentence for the submitter. Raises LeaseLost when it is no longer ours."""
    with store.write() as connection:
        if not _end(connection, job, state="failed", fault=fault.value, message=sentence[:MAX_MESSAGE]):
            raise LeaseLost(job.id)
        if fault is Fault.OURS:
            _refund(connection, [job.id])


def stop(store: Store, job: Job) -> None:
    """End a running job that its submitter cancelled. Raises LeaseLost when it is no longer ours."""
    with store.write() as connection:
        if not _end(connection, job, state="cancelled", message="cancelled"):
            raise LeaseLost(job.id)


def _end(connection: Connection, job: Job, **values: Any) -> bool:
    ended = update(jobs).where(_held(job)).values(**values, finished=db_now(), lease_until=None, deadline=None)
    return connection.execute(ended.returning(jobs.c.id)).first() is not None


def release(store: Store, job: Job, message: str, counts: bool = False) -> None:
    """Put the job back for another worker; unless it ``counts`` as a try, as if it had never been taken. A job no longer ours is left alone."""
    back = {"state": "queued", "worker": "", "lease_until": None, "deadline": None, "progress": 0.0, "message": message[:MAX_MESSAGE]}
    tries = jobs.c.tries if counts else jobs.c.tries - 1
    with store.write() as connection:
        connection.execute(update(jobs).where(_held(job)).values(**back, tries=tries))


def _refund(connection: Connection, ids: Sequence[str]) -> None:
    connection.execute(delete(charges).where(charges.c.job.in_(ids)))


def cancel(store: Store, job_id: str, user: str | None = None) -> Job:
    """Cancel a waiting job at once, free of charge, or ask the worker of a running one to stop; ``user`` None may cancel every job.

    Raises SubmissionError when the job is unknown, someone else's, or ended.
    """
    with store.write() as connection:
        job = _owned(connection, job_id, user)
        if job.state not in ("queued", "running"):
            raise SubmissionError(f"Job {job_id} has already ended ({job.state}); there is nothing to cancel.")
        waiting = jobs.c.state == "queued"
        values = {
            "state": case((waiting, "cancelled"), else_=jobs.c.state), "message": case((waiting, "cancelled"), else_="stopping"), "cancel_asked": 1,
            "finished": case((waiting, db_now()), else_=None),
        }  # fmt: skip
        after = update(jobs).where(jobs.c.id == job_id, jobs.c.state.in_(("queued", "running"))).values(**values)
        row = connection.execute(after.returning(jobs)).first()
        if row is None:
            raise SubmissionError(f"Job {job_id} has just ended; there is nothing to cancel.")
        if row.state == "cancelled" and row.started is None:
            _refund(connection, [job_id])
    return _job(row)


def rerun(store: Store, config: Config, job_id: str, user: str | None = None) -> Job:
    """Queue a failed or cancelled job again, with its tries at zero; charged like a new one.

    Raises SubmissionError when the job is unknown, someone else's, not ended, over the quota, or its weights run elsewhere.
    """
    with store.write() as connection:
        job = _owned(connection, job_id, user)
        owner = connection.execute(select(_owner(job_id))).scalar_one()
        lock_user(connection, owner)
        if job.state not in ("failed", "cancelled"):
            raise SubmissionError(f"Job {job_id} is {job.state}; only a failed or cancelled job can be run again.")
        check_quota(connection, config, owner)
        other = jobs.alias()
        twin = exists().where(
            other.c.weights_sha256 == jobs.c.weights_sha256, other.c.benchmark == jobs.c.benchmark, other.c.protocol == jobs.c.protocol, other.c.state.in_(LIVE)
        )
        fresh = {"state": "queued", "fault": "", "tries": 0, "worker": "", "cancel_asked": 0, "progress": 0.0, "message": "", "started": None, "finished": None}
        again = update(jobs).where(jobs.c.id == job_id, jobs.c.state.in_(("failed", "cancelled")), ~twin).values(**fresh, created=db_now())
        row = connection.execute(again.returning(jobs)).first()
        if row is None:
            raise SubmissionError(f"The weights of job {job_id} already have another job on {job.benchmark}; see `python -m leaderboard status`.")
        connection.execute(insert(charges).values(job=job_id, username=owner, at=row.created))
    return _job(row)


def _owner(job_id: str) -> Any:
    return select(submissions.c.submitted_by).join(jobs, jobs.c.submission == submissions.c.id).where(jobs.c.id == job_id).scalar_subquery()


def _owned(connection: Connection, job_id: str, user: str | None) -> Job:
    row = connection.execute(select(jobs, _owner(job_id).label("owner")).where(jobs.c.id == job_id)).first()
    if row is None or (user is not None and row.owner != user):
        raise SubmissionError(f"There is no job {job_id[:40]!r} of yours; `python -m leaderboard status` lists them.")
    return get(connection, job_id)


def get(connection: Connection, job_id: str) -> Job:
    """The job as it is now. Raises sqlalchemy.exc.NoResultFound when there is none."""
    return _job(connection.execute(select(jobs).where(jobs.c.id == job_id)).one())


def position(connection: Connection, created: float, id: str) -> int:
    """How many waiting jobs stand before the one of this time and id."""
    before = or_(jobs.c.created < created, and_(jobs.c.created == created, jobs.c.id < id))
    return connection.execute(select(func.count()).select_from(jobs).where(jobs.c.state == "queued", before)).scalar_one()
