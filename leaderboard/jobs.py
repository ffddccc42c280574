"""A submitter's side of the queue: a job is queued, cancelled, run again. One table is both the queue and what people see.

``tries`` counts the claims that ended without a word; a re-run resets it. ``token`` counts all claims and only grows (see lease.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, exists, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from leaderboard.config import Config
from leaderboard.names import SubmissionError
from leaderboard.quota import check_quota, lock_user, refund
from leaderboard.store import Store, charges, db_now, insert_for, jobs, new_id, submissions

LIVE = ("queued", "running", "done")
STATES = (*LIVE, "failed", "cancelled")
MAX_MESSAGE = 500


class Fault(Enum):
    """Whose fault a failure is; ours are not charged to the submitter's quota."""

    SUBMITTER = "submitter"
    OURS = "ours"


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


def job_of(row: Any) -> Job:
    """A row of the table as a Job."""
    return Job(**row._mapping)


def enqueue(connection: Connection, config: Config, submission: str, weights_sha256: str, benchmark: str, protocol: str, user: str) -> Queued:
    """Add a job for a stored submission within the caller's transaction and charge the user.

    The same weights on the same benchmark and protocol are run once: the first job comes back. Raises SubmissionError over the quota.
    """
    lock_user(connection, user)
    same = and_(jobs.c.weights_sha256 == weights_sha256, jobs.c.benchmark == benchmark, jobs.c.protocol == protocol, jobs.c.state.in_(LIVE))
    if known := connection.execute(select(jobs).where(same)).first():
        return Queued(job_of(known), is_new=False)
    check_quota(connection, config, user)
    values = {"id": new_id(), "submission": submission, "benchmark": benchmark, "protocol": protocol, "weights_sha256": weights_sha256, "state": "queued"}
    # Two users may offer the same weights at once; the index on live jobs lets one of them in, and that one may end before the other looks.
    offer = insert_for(connection)(jobs).values(**values, created=db_now()).on_conflict_do_nothing().returning(jobs)
    while (added := connection.execute(offer).first()) is None:
        if known := connection.execute(select(jobs).where(same)).first():
            return Queued(job_of(known), is_new=False)
    connection.execute(insert(charges).values(job=added.id, username=user, at=added.created))
    return Queued(job_of(added), is_new=True)


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
            refund(connection, [job_id])
    return job_of(row)


def rerun(store: Store, config: Config, job_id: str, user: str | None = None) -> Job:
    """Queue a failed or cancelled job again, with its tries at zero; charged like a new one.

    Raises SubmissionError when the job is unknown, someone else's, not ended, over the quota, or its weights run elsewhere.
    """
    try:
        with store.write() as connection:
            return _rerun(connection, config, job_id, user)
    except IntegrityError as error:  # the other job came in between, and the index on live jobs saw it
        raise _has_twin(job_id) from error


def _rerun(connection: Connection, config: Config, job_id: str, user: str | None) -> Job:
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
        raise _has_twin(job_id)
    connection.execute(insert(charges).values(job=job_id, username=owner, at=row.created))
    return job_of(row)


def _has_twin(job_id: str) -> SubmissionError:
    return SubmissionError(f"The weights of job {job_id} already have another job on that benchmark; see `python -m leaderboard status`.")


def _owner(job_id: str) -> ColumnElement[str]:
    return select(submissions.c.submitted_by).join(jobs, jobs.c.submission == submissions.c.id).where(jobs.c.id == job_id).scalar_subquery()


def _owned(connection: Connection, job_id: str, user: str | None) -> Job:
    row = connection.execute(select(jobs, _owner(job_id).label("owner")).where(jobs.c.id == job_id)).first()
    if row is None or (user is not None and row.owner != user):
        of_whom = "" if user is None else f" of {user}"
        raise SubmissionError(f"There is no job {job_id[:40]!r}{of_whom}; `python -m leaderboard status` lists them.")
    return get(connection, job_id)


def get(connection: Connection, job_id: str) -> Job:
    """The job as it is now. Raises sqlalchemy.exc.NoResultFound when there is none."""
    return job_of(connection.execute(select(jobs).where(jobs.c.id == job_id)).one())


def position(connection: Connection, created: float, id: str) -> int:
    """How many waiting jobs stand before the one of this time and id."""
    before = or_(jobs.c.created < created, and_(jobs.c.created == created, jobs.c.id < id))
    return connection.execute(select(func.count()).select_from(jobs).where(jobs.c.state == "queued", before)).scalar_one()
