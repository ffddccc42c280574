"""Takes jobs and sees them through: weights at hand, a child that evaluates, beats while it does, the result stored with the end of the job.

Whatever happens to this process, the job is safe: until ``finish`` commits nothing is visible, and a lease that is not renewed hands it on.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.exc import DBAPIError

from leaderboard import jobs
from leaderboard.config import Config
from leaderboard.jobs import Cancelled, Fault, Job, LeaseLost
from leaderboard.names import sentence
from leaderboard.process import COMMAND, Child, Ended
from leaderboard.record import Record, RecordError
from leaderboard.store import Store, db_now, is_outage, new_id, results, upsert, workers
from leaderboard.submission import Submission, WeightsMissing, forget_weights, load_submission, obtain_weights
from poster.errors import InputError

log = logging.getLogger(__name__)

ENGINES = ("local", "ray")
POLL_SECONDS = 2.0  # between looks at an empty queue
LOOK_SECONDS = 1.0  # between looks at a running child and at its job's row
NEWS_SECONDS = 2.0  # between beats that only tell how far the job is
REST_SECONDS = 30.0  # after the disk failed
GRACE_SECONDS = 20.0  # a worker told to stop lets its job go on so long


class HandBack(Exception):
    """The worker stops and puts the job back."""


@dataclass(frozen=True)
class Verdict:
    """What the child said of a job: the record and the predictions file, or a refusal."""

    record: Record | None = None
    predictions: Path | None = None
    fault: Fault = Fault.OURS
    sentence: str = ""


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
        self.name = f"{socket.gethostname()}-{os.getpid()}"
        self.after_result = after_result
        self.stop_at = float("inf")
        self._said = 0.0

    def stop(self, grace: float = GRACE_SECONDS) -> None:
        """Take no more jobs; let the present one go on for ``grace`` seconds, then hand it back. Safe in a signal handler: it takes no lock."""
        self.stop_at = min(self.stop_at, time.monotonic() + grace)

    @property
    def is_stopping(self) -> bool:
        return self.stop_at < float("inf")

    def run(self, once: bool = False) -> None:
        """Work until told to stop; with ``once`` until the queue is empty."""
        self._clean()
        log.info("worker %s on %s for %s", self.name, self.device, "every benchmark" if self.benchmarks is None else ", ".join(self.benchmarks))
        while not self.is_stopping:
            try:
                self._say_alive("")
                job = jobs.claim(self.store, self.config, self.name, self.benchmarks)
            except DBAPIError as error:
                if not is_outage(error):
                    raise
                log.warning("the database does not answer; trying again")
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
        folder = self._workplace() / f"{job.id}.{job.token}"
        held = _Lease(self.store, self.config, job)
        log.info("job %s: try %d of %d, %s/%s", job.id, job.tries, self.config.max_tries, job.benchmark, job.protocol)
        try:
            self._work(held, folder)
        except LeaseLost:
            log.warning("job %s: no longer ours, nothing written", job.id)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _work(self, held: _Lease, folder: Path) -> None:
        job = held.job
        try:
            folder.mkdir(parents=True)
            self._evaluate(held, folder)
        except LeaseLost:
            raise
        except Cancelled:
            log.info("job %s: cancelled by its submitter", job.id)
            held.end(lambda: jobs.stop(self.store, job))
        except HandBack:
            log.info("job %s: handed back", job.id)
            held.end(lambda: jobs.release(self.store, job, "handed back by a worker that stopped"))
        except OSError as error:  # a full or broken disk is this machine's affair: the job waits for a sound one, and this worker rests
            log.error("job %s: handed back, this machine is not well: %s", job.id, error)
            held.end(lambda: jobs.release(self.store, job, "handed back by a machine in trouble"))
            self._pause(REST_SECONDS)
        except Exception:
            log.exception("job %s: the worker itself failed", job.id)
            self._crashed(held, "the worker failed")

    def _evaluate(self, held: _Lease, folder: Path) -> None:
        job = held.job
        try:
            submission = load_submission(self.store, job.submission)
            weights, sha256 = obtain_weights(self.config, submission, folder)
        except WeightsMissing as error:
            self._fail(held, Fault.OURS, str(error))
            return
        except InputError as error:
            self._fail(held, Fault.SUBMITTER, str(error))
            return
        task = {
            "task": "score", "weights": str(weights), "benchmark": job.benchmark, "protocol": job.protocol, "data": self.config.benchmarks,
            "device": self.device, "out": str(folder / "result.json"), "submission": submission.id, "engine": self.engine,
        }  # fmt: skip
        answer = self._watch(held, task, folder)
        if isinstance(answer, Ended):
            log.warning("job %s: the evaluation %s\n%s", job.id, answer.how, answer.log)
            self._crashed(held, f"the evaluation {answer.how}")
            return
        if "broken" in answer:
            raise OSError(str(answer["broken"]))
        verdict = read_verdict(answer, submission, job, folder, sha256)
        if verdict.record is None:
            self._fail(held, verdict.fault, verdict.sentence)
            return
        self._keep(held, verdict.record, verdict.predictions)
        forget_weights(self.store, self.config, submission)
        if self.after_result:
            self.after_result()

    def _watch(self, held: _Lease, task: dict[str, Any], folder: Path) -> dict[str, Any] | Ended:
        """Run the child to its end, beating; its last answer, or how it ended without one."""
        child = Child(task, folder, self.command)
        deadline = time.monotonic() + self.config.max_seconds
        try:
            while True:
                answer = child.wait(LOOK_SECONDS)
                if isinstance(answer, Ended) or (answer is not None and answer.keys() & {"done", "refused", "broken"}):
                    return answer
                if answer is not None:
                    held.tell(float(answer.get("progress", 0.0)), str(answer.get("message", "")))
                held.look()
                self._say_alive(held.job.id)
                if time.monotonic() > deadline:
                    late = f"the evaluation was stopped after {self.config.max_seconds / 60:g} minutes, the longest one may take here"
                    return {"refused": late, "fault": Fault.SUBMITTER.value}
                if time.monotonic() > self.stop_at:
                    raise HandBack
        finally:
            child.close()

    def _fail(self, held: _Lease, fault: Fault, why: str) -> None:
        log.info("job %s: failed (%s): %s", held.job.id, fault.value, why)
        held.end(lambda: jobs.fail(self.store, held.job, fault, why))

    def _keep(self, held: _Lease, record: Record, predictions: Path | None) -> None:
        """Move the predictions into place, then store the record and end the job in one transaction."""
        kept = None
        if predictions is not None:
            kept = self.config.data / "predictions" / record.predictions
            kept.parent.mkdir(parents=True, exist_ok=True)
            with predictions.open("rb") as file:
                os.fsync(file.fileno())
            predictions.replace(kept)
        try:
            held.end(lambda: jobs.finish(self.store, held.job, record))
        except LeaseLost:
            if not self._is_stored(record):
                if kept:
                    kept.unlink()
                raise
        log.info("job %s: done, %d of %d right, result %s", held.job.id, record.correct, record.num_images, record.id)

    def _is_stored(self, record: Record) -> bool:
        """Whether a commit whose answer was lost had gone through after all."""
        with self.store.read() as connection:
            return connection.execute(select(results.c.id).where(results.c.id == record.id)).first() is not None

    def _crashed(self, held: _Lease, how: str) -> None:
        """Put the job back for another try, or fail it, free of charge, when that was the last."""
        job = held.job
        if job.tries >= self.config.max_tries:
            self._fail(held, Fault.OURS, f"Failed {job.tries} times, the last time because {how}; it is not tried again, and this was not charged.")
        else:
            held.end(lambda: jobs.release(self.store, job, f"try {job.tries}: {how}; waiting for another", counts=True))

    def _workplace(self) -> Path:
        return self.config.data / "work" / self.name

    def _clean(self) -> None:
        """Remove what a worker of this machine left behind when it was killed."""
        host = socket.gethostname()
        for folder in (self.config.data / "work").glob(f"{host}-*"):
            process = folder.name.removeprefix(f"{host}-")
            if not process.isdigit() or int(process) == os.getpid() or not _is_running(int(process)):
                shutil.rmtree(folder, ignore_errors=True)

    def _say_alive(self, job: str) -> None:
        """Tell that this worker is there, every beat."""
        if time.monotonic() - self._said < self.config.beat and self._said:
            return
        values = {"host": socket.gethostname(), "device": self.device, "seen": db_now(), "job": job}
        try:
            with self.store.write() as connection:
                connection.execute(upsert(connection, workers, {"name": self.name, "started": db_now(), **values}, values))
                connection.execute(delete(workers).where(workers.c.seen < db_now() - 86400))
        except DBAPIError as error:
            if not job or not is_outage(error):
                raise
            return  # a running job has its own patience with the database
        self._said = time.monotonic()

    def _leave(self) -> None:
        shutil.rmtree(self._workplace(), ignore_errors=True)
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


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class _Lease:
    """A job held by this worker: beats when due, patient with a database that is away for less than the lease."""

    def __init__(self, store: Store, config: Config, job: Job) -> None:
        self.store, self.config, self.job = store, config, job
        self.renewed = time.monotonic()
        self.spoken = self.looked = self.renewed
        self.progress, self.message, self.is_news = 0.0, job.message, False

    def tell(self, progress: float, message: str) -> None:
        """Remember how far the job is, for the next beat."""
        self.is_news = self.is_news or (progress, message) != (self.progress, self.message)
        self.progress, self.message = min(max(progress, 0.0), 1.0), message

    def look(self) -> None:
        """Beat when there is news or it is time; else only see, every second, whether the job was cancelled. Raises Cancelled, LeaseLost."""
        now = time.monotonic()
        if now - self.looked < LOOK_SECONDS:
            return
        self.looked = now
        due = now - self.spoken >= (NEWS_SECONDS if self.is_news else self.config.beat)
        try:
            if due:
                jobs.beat(self.store, self.config, self.job, self.progress, self.message)
                self.renewed = self.spoken = now
                self.is_news = False
            else:
                jobs.check(self.store, self.job)
        except DBAPIError as error:
            if not is_outage(error):
                raise
            log.warning("job %s: the database does not answer, %.0f s after the last beat", self.job.id, now - self.renewed)
            if now - self.renewed > self.config.lease:
                raise LeaseLost(self.job.id) from error

    def end(self, word: Callable[[], None]) -> None:
        """Say the last word, again and again while the database is away or full, until the lease is past. Raises LeaseLost."""
        while True:
            try:
                return word()
            except DBAPIError as error:
                if not is_outage(error):
                    raise
                if time.monotonic() - self.renewed > self.config.lease:
                    raise LeaseLost(self.job.id) from error
                log.warning("job %s: the database does not take the end of the job; trying again", self.job.id)
                time.sleep(LOOK_SECONDS)


def read_verdict(answer: dict[str, Any], submission: Submission, job: Job, folder: Path, stored_sha256: str) -> Verdict:
    """What the child's last answer and its files mean. A result that is held back by its diagnosis is the submitter's to mend."""
    if "refused" in answer:
        return Verdict(fault=Fault(answer.get("fault", "ours")), sentence=sentence(str(answer["refused"])))
    path = folder / "result.json"
    try:
        data = json.loads(path.read_bytes())
        diagnosis = data.get("diagnosis") or {}
        predictions = path.with_name(Path(data.get("predictions") or "none").name)
        id = new_id()
        about = {
            "id": id, "model": submission.name, "architecture": submission.contract.architecture, "parameters": submission.parameters,
            "source": submission.source, "training_data": submission.training_data, "epoch_selection": submission.epoch_selection,
            "paper": submission.paper, "code": submission.code, "submitted_by": submission.submitted_by, "weights_sha256": submission.weights_sha256,
        }  # fmt: skip
        if data.get("weights_sha256") != stored_sha256:
            raise RecordError("the weights that were scored are not those that were stored")
        kept = predictions if predictions.is_file() else None
        record = Record.from_dict({**data, **about, "predictions": f"{id}.parquet" if kept else ""})
        if (record.benchmark, record.protocol) != (job.benchmark, job.protocol):
            raise RecordError(f"the child scored {record.benchmark}/{record.protocol}")
    except (OSError, ValueError, AttributeError) as error:
        log.error("job %s: the child's result is not usable: %s", job.id, error)
        return Verdict(fault=Fault.OURS, sentence="The evaluation ended without a usable result; this was not charged, run it again.")
    if diagnosis.get("held_back"):
        return Verdict(fault=Fault.SUBMITTER, sentence=f"Held back: {sentence(str(diagnosis.get('sentence') or 'the diagnosis speaks against it'))}")
    return Verdict(record=record, predictions=kept)
