"""What people see of the queue: one line a job, newest first, and who is at work. Reads only; no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select

from leaderboard.config import Config
from leaderboard.jobs import position
from leaderboard.names import SubmissionError
from leaderboard.record import Record, parse_json
from leaderboard.store import Store, db_now, jobs, logs, results, submissions, workers


@dataclass(frozen=True)
class JobLine:
    """A job as its submitter sees it. position: waiting jobs before it. age: seconds since it was queued. result: its id, "" before the end.

    created, started, finished: seconds since 1970 by the database's clock, 0 for what has not happened. worker: who has or had it.
    log: what its evaluation said, oldest line first, inert (leaderboard/journal.py); only where one job was asked for.
    """

    id: str
    model: str
    benchmark: str
    protocol: str
    state: str
    fault: str
    progress: float
    tries: int
    message: str
    position: int
    age: float
    submitted_by: str
    result: str
    created: float = 0.0
    started: float = 0.0
    finished: float = 0.0
    worker: str = ""
    log: tuple[str, ...] = ()


@dataclass(frozen=True)
class WorkerLine:
    """A worker that spoke within its lease. silent: seconds since. job: "" when it waits. benchmarks: whose data it has; () where it does not say."""

    name: str
    host: str
    device: str
    job: str
    silent: float
    benchmarks: tuple[str, ...] = ()


def job_lines(store: Store, user: str | None = None, job: str | None = None, limit: int = 50) -> list[JobLine]:
    """The newest jobs, of one user or one job alone where given. Raises SubmissionError for a job that does not exist."""
    query = select(jobs, submissions.c.name, submissions.c.submitted_by, results.c.id.label("result"), (db_now() - jobs.c.created).label("age"))
    query = query.join(submissions, jobs.c.submission == submissions.c.id).outerjoin(results, results.c.job == jobs.c.id)
    if user is not None:
        query = query.where(submissions.c.submitted_by == user)
    if job is not None:
        query = query.where(jobs.c.id == job)
    said = () if job is None else job_log(store, job)
    with store.read() as connection:
        rows = connection.execute(query.order_by(jobs.c.created.desc(), jobs.c.id).limit(limit)).all()
        if job is not None and not rows:
            raise SubmissionError(f"There is no job {job[:40]!r}; `python -m leaderboard status` lists them.")
        return [
            JobLine(
                row.id, row.name, row.benchmark, row.protocol, row.state, row.fault, row.progress, row.tries, row.message,
                position(connection, row.created, row.id) if row.state == "queued" else 0, row.age, row.submitted_by, row.result or "",
                row.created, row.started or 0.0, row.finished or 0.0, row.worker, said,
            )
            for row in rows
        ]  # fmt: skip


def job_log(store: Store, job: str) -> tuple[str, ...]:
    """What the evaluation of a job said so far, over all its tries."""
    with store.read() as connection:
        return tuple((connection.execute(select(logs.c.text).where(logs.c.job == job)).scalar() or "").splitlines())


def worker_lines(store: Store, config: Config) -> list[WorkerLine]:
    """The workers that are alive, the busiest first."""
    silent = (db_now() - workers.c.seen).label("silent")
    heard = silent.between(-config.lease, config.lease)  # not one that a wrong clock once wrote into the future
    query = select(workers.c.name, workers.c.host, workers.c.device, workers.c.job, silent, workers.c.benchmarks).where(heard)
    with store.read() as connection:
        rows = connection.execute(query.order_by(workers.c.job.desc(), workers.c.name)).all()
    return [WorkerLine(row.name, row.host, row.device, row.job, row.silent, tuple(filter(None, row.benchmarks.split(",")))) for row in rows]


def help_needed(lines: Sequence[JobLine], at_work: Sequence[WorkerLine]) -> str:
    """What keeps waiting jobs waiting other than their turn, and what to do about it; "" where they only wait their turn."""
    waiting = [line.benchmark for line in lines if line.state == "queued"]
    if waiting and not at_work:
        return f"{len(waiting)} waiting and no worker at work; start one with: python -m leaderboard worker"
    lacking = sorted({name for name in waiting if all(worker.benchmarks and name not in worker.benchmarks for worker in at_work)})
    if lacking:
        return f"No worker at work has the data of {', '.join(lacking)}; start one where FER_BENCHMARKS names their folder."
    return ""


def waiting_jobs(store: Store) -> int:
    """How many jobs wait."""
    with store.read() as connection:
        return connection.execute(select(func.count()).select_from(jobs).where(jobs.c.state == "queued")).scalar_one()


def stored_records(store: Store) -> list[Record]:
    """Every result of the store, for the board."""
    with store.read() as connection:
        return [parse_json(text.encode()) for text in connection.execute(select(results.c.record).order_by(results.c.created)).scalars()]
