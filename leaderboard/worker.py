"""Takes jobs and sees them through: weights at hand, a child that evaluates, beats while it does, the result stored with the end of the job.

Whatever happens to this process, the job is safe: until ``finish`` commits nothing is visible, and a lease that is not renewed hands it on.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import signal
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from sqlalchemy import delete, select
from sqlalchemy.exc import DBAPIError

from leaderboard import lease
from leaderboard.accepted import load_submission
from leaderboard.attempt import Attempt, Crashed, MachineTrouble, Overdue
from leaderboard.config import Config
from leaderboard.held import Held
from leaderboard.jobs import Fault, Job
from leaderboard.lease import Cancelled, LeaseLost
from leaderboard.process import BROKEN, COMMAND
from leaderboard.quota import duration
from leaderboard.record import Record
from leaderboard.store import Store, db_now, is_outage, reason, results, upsert, workers
from leaderboard.tidy import forget_weights, tidy
from leaderboard.workplace import Workplace

log = logging.getLogger(__name__)

ENGINES = ("local", "ray")
POLL_SECONDS = 2.0  # between looks at an empty queue
REST_SECONDS = 30.0  # after the disk or the Hub failed
GRACE_SECONDS = 8.0  # a worker told to stop lets its job go on so long; whoever stops containers waits ten before killing
TIDY_SECONDS = 3600.0  # between two looks for what was left behind
FORGET_SECONDS = 86400.0  # a worker silent so long is no longer listed


class HandBack(Exception):
    """The worker stops and puts the job back."""


class Worker:
    """One worker of one process. ``benchmarks``: those whose data lie here. ``command`` starts the child; a test may give a quicker one.
    ``after_result`` is called when a result was stored, for publishing."""

    def __init__(
        self,
        store: Store,
        config: Config,
        benchmarks: Sequence[str] | None = None,
        device: str = "cpu",
        engine: str = "local",
        command: Sequence[str] = COMMAND,
        after_result: Callable[[], None] | None = None,
    ) -> None:
        self.store, self.config, self.benchmarks, self.device, self.command, self.engine = store, config, benchmarks, device, command, engine
        self.name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"
        self.workplace = Workplace(config.data, self.name)
        self.after_result = after_result
        self.stop_at = float("inf")
        self._said: float | None = None
        self._tidied: float | None = None

    def stop(self, grace: float = GRACE_SECONDS) -> None:
        """Take no more jobs; let the present one go on for ``grace`` seconds, then hand it back. Safe in a signal handler: it takes no lock."""
        self.stop_at = min(self.stop_at, time.monotonic() + grace)

    @property
    def is_stopping(self) -> bool:
        return self.stop_at < float("inf")

    def run(self, once: bool = False) -> None:
        """Work until told to stop; with ``once`` until the queue is empty."""
        log.info("worker %s on %s for %s", self.name, self.device, "every benchmark" if self.benchmarks is None else ", ".join(self.benchmarks))
        while not self.is_stopping:
            try:
                self._tidy()
                self._say_alive("")
                job = lease.claim(self.store, self.config, self.name, self.benchmarks)
            except DBAPIError as error:
                if not is_outage(error):
                    raise
                log.warning("the database does not answer (%s); trying again", reason(error))
                self._pause(POLL_SECONDS)
                continue
            if job is not None:
                self.work(job)
            elif once:
                break
            else:
                self._pause(POLL_SECONDS)
        self._leave()

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self.is_stopping and (left := until - time.monotonic()) > 0:
            time.sleep(min(0.2, left))

    def work(self, job: Job) -> None:
        """See one claimed job through. Never raises for what a job, the disk or the database does."""
        folder = self.workplace.folder / f"{job.id}.{job.token}"
        log.info("job %s: try %d of %d, %s/%s", job.id, job.tries, self.config.max_tries, job.benchmark, job.protocol)
        held = Held(self.store, self.config, job)
        try:
            self._work(held, folder)
        except LeaseLost:
            log.warning("job %s: no longer ours, nothing written", job.id)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _work(self, held: Held, folder: Path) -> None:
        job = held.job
        try:
            held.recall()
            held.journal.say(f"try {job.tries} of {self.config.max_tries} on {self.device}")
            self.workplace.open()
            folder.mkdir()
            self._evaluate(held, folder)
        except LeaseLost:
            raise
        except Cancelled:
            log.info("job %s: cancelled by its submitter", job.id)
            held.end("cancelled", lambda said: lease.stop(self.store, job, said))
        except Overdue:
            late = f"The evaluation was stopped after {duration(self.config.max_seconds)}, the longest one may take here; submit a smaller model."
            self._fail(held, Fault.SUBMITTER, late)
        except HandBack:
            log.info("job %s: handed back", job.id)
            self._release(held, "handed back by a worker that stopped")
        except Crashed as error:
            self._crashed(held, str(error))
            if error.is_away:
                self._pause(REST_SECONDS)
        except (MachineTrouble, OSError) as error:
            if isinstance(error, OSError) and error.errno not in BROKEN:
                log.exception("job %s: the worker itself failed", job.id)
                self._crashed(held, "the worker itself failed")
                return
            what = error.strerror if isinstance(error, OSError) else str(error)
            log.error("job %s: handed back, this machine is not well: %s; resting %.0f s", job.id, what, REST_SECONDS)
            self._release(held, f"waiting for a sound machine; the last one said: {what}")
            self._pause(REST_SECONDS)
        except Exception:
            log.exception("job %s: the worker itself failed", job.id)
            self._crashed(held, "the worker itself failed")

    def _evaluate(self, held: Held, folder: Path) -> None:
        deadline = time.monotonic() + self.config.max_seconds
        submission = held.insist(lambda: load_submission(self.store, held.job.submission))
        look = self._looker(held, deadline)
        verdict = Attempt(held, submission, folder, self.device, self.engine, self.command, look, deadline).verdict()
        if verdict.record is None:
            self._fail(held, verdict.fault, verdict.sentence)
            return
        self._keep(held, verdict.record, verdict.predictions)
        try:
            forget_weights(self.store, self.config, submission.stored_sha256)
        except (DBAPIError, OSError) as error:
            log.warning("the weights of submission %s could not be removed yet: %s", submission.id, type(error).__name__)
        if self.after_result:
            self.after_result()

    def _looker(self, held: Held, deadline: float) -> Callable[[], None]:
        """What is done every second of a job: beat, tell that this worker is alive, and see whether it must stop."""

        def look() -> None:
            held.look()
            self._say_alive(held.job.id)
            if time.monotonic() > deadline:
                raise Overdue
            if time.monotonic() > self.stop_at:
                raise HandBack

        return look

    def _fail(self, held: Held, fault: Fault, why: str) -> None:
        log.info("job %s: failed (%s): %s", held.job.id, fault.value, why)
        why = held.journal.public(why)
        held.end(f"failed: {why}", lambda said: lease.fail(self.store, held.job, fault, why, said))

    def _release(self, held: Held, why: str, counts: bool = False) -> None:
        why = held.journal.public(why)
        held.end(why, lambda said: lease.release(self.store, held.job, why, said, counts))

    def _keep(self, held: Held, record: Record, predictions: Path | None) -> None:
        """Move the predictions into place, then store the record and end the job in one transaction."""
        kept = None
        if predictions is not None:
            kept = self.config.data / "predictions" / record.predictions
            kept.parent.mkdir(parents=True, exist_ok=True)
            with predictions.open("rb") as file:
                os.fsync(file.fileno())
            predictions.replace(kept)
        try:
            right = f"done: {record.correct:,} of {record.num_images:,} right, result {record.id}"
            held.end(right, lambda said: lease.finish(self.store, held.job, record, said))
        except LeaseLost:
            if not self._is_stored(record):
                if kept:
                    kept.unlink(missing_ok=True)
                raise
        log.info("job %s: done, %d of %d right, result %s", held.job.id, record.correct, record.num_images, record.id)

    def _is_stored(self, record: Record) -> bool:
        """Whether a commit whose answer was lost had gone through after all."""
        with self.store.read() as connection:
            return connection.execute(select(results.c.id).where(results.c.id == record.id)).first() is not None

    def _crashed(self, held: Held, how: str) -> None:
        """Put the job back for another try, or fail it, free of charge, when that was the last."""
        job = held.job
        if job.tries >= self.config.max_tries:
            self._fail(held, Fault.OURS, f"Failed {job.tries} times, the last time because {how}; it is not tried again, and this was not charged.")
        else:
            self._release(held, f"try {job.tries}: {how}; waiting for another", counts=True)

    def _tidy(self) -> None:
        """Remove what was left behind, at the start and every hour between jobs."""
        now = time.monotonic()
        if self._tidied is None or now - self._tidied > TIDY_SECONDS:
            tidy(self.store, self.config)
            self._tidied = now

    def _say_alive(self, job: str) -> None:
        """Tell that this worker is there, every beat."""
        if self._said is not None and time.monotonic() - self._said < self.config.beat:
            return
        known = ",".join(self.benchmarks or ())
        values = {"host": socket.gethostname(), "device": self.device, "benchmarks": known, "seen": db_now(), "job": job}
        gone = (workers.c.seen < db_now() - FORGET_SECONDS) | (workers.c.seen > db_now() + FORGET_SECONDS)
        try:
            with self.store.write() as connection:
                connection.execute(upsert(connection, workers, {"name": self.name, "started": db_now(), **values}, values))
                connection.execute(delete(workers).where(gone))
        except DBAPIError as error:
            if not job or not is_outage(error):
                raise
            return  # a running job has its own patience with the database
        self._said = time.monotonic()

    def _leave(self) -> None:
        self.workplace.close()
        try:
            with self.store.write() as connection:
                connection.execute(delete(workers).where(workers.c.name == self.name))
        except DBAPIError:
            log.warning("the database did not hear that worker %s stopped; its lease will tell", self.name)
        log.info("worker %s stopped", self.name)


def serve(worker: Worker, once: bool = False) -> None:
    """Run in the main thread; SIGTERM and Ctrl-C stop it with grace, a second one hands the present job back at once."""

    def heed(*_: object) -> None:
        worker.stop(0 if worker.is_stopping else GRACE_SECONDS)

    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, heed)
    worker.run(once)
