"""From a checkpoint and its form to queued jobs: opened, identified, the contract confirmed, converted, sixteen pictures tried, queued."""

from __future__ import annotations

import json
import logging
import re
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.exc import DBAPIError

from leaderboard.accepted import weights_path
from leaderboard.config import Config
from leaderboard.fetch import check_size, sha256_of
from leaderboard.form import Form
from leaderboard.jobs import LIVE, Queued, enqueue, job_of
from leaderboard.names import SubmissionError, sentence
from leaderboard.process import BROKEN, COMMAND, Child, Ended
from leaderboard.quota import check_quota, lock_user
from leaderboard.store import Store, db_now, is_outage, jobs, new_id, submissions
from poster.checkpoint import Inspection, convert, inspect
from poster.contract import ModelContract

log = logging.getLogger(__name__)

Say = Callable[[str], None]


@dataclass(frozen=True)
class Prepared:
    """A checkpoint that passed the dry run. probe: seconds_per_image, answers, spread, predictions (see leaderboard/child.py). warnings: for the submitter."""

    contract: ModelContract
    weights_sha256: str
    stored_sha256: str
    parameters: int
    source: str
    probe: Mapping[str, Any]
    warnings: tuple[str, ...]


def propose(config: Config, path: Path) -> Inspection:
    """Open and identify a checkpoint. Raises SubmissionError when it is no model that can be scored, CheckpointError when it cannot be opened."""
    if not path.is_file():
        raise SubmissionError(f"{path.name} is {'a folder, not a file' if path.is_dir() else 'not there'}; give the path of a checkpoint.")
    check_size(path.stat().st_size, config)
    found = inspect(path)
    if found.identity.architecture is None:
        raise SubmissionError(sentence(found.identity.problem or "the network is not one of those known here"))
    if found.identity.head == "none":
        raise SubmissionError("The checkpoint is a recognition network without an expression head; submit one that outputs expressions.")
    return found


def confirmed_contract(found: Inspection, form: Form) -> ModelContract:
    """The contract as given or, once confirmed, as proposed. Raises SubmissionError, with the proposal, where it is unsure and unconfirmed."""
    doubts = []
    for what, guess, given in (("the labels", found.identity.labels, form.labels), ("the channels", found.identity.channels, form.channels)):
        if given is None and not guess.sure and not form.accepted:
            doubts.append(f"{what} are probably {guess.order or 'not known'} ({guess.why})")
    if doubts:
        raise SubmissionError(
            sentence(f"a file does not say how it was trained, so confirm it: {'; '.join(doubts)}")
            + " Accept this with --accept, or say it with --labels ORDER --channels rgb|bgr."
        )
    contract = found.contract(form.labels, form.channels)
    if not contract.labels:
        raise SubmissionError("The label order is not known; give it with --labels, such as --labels raf-db or --labels neutral,happiness,...")
    return contract


def prepare(
    store: Store, config: Config, path: Path, source: str, form: Form, say: Say = log.info, device: str = "cpu", command: Sequence[str] = COMMAND
) -> Prepared | list[Queued]:
    """Open, identify, convert and try a checkpoint; or, where every benchmark already has these weights, the jobs that do.

    Raises InputError (SubmissionError, CheckpointError among them), one sentence, for what the submitter can mend.
    """
    say("opening and identifying the checkpoint")
    found = propose(config, path)
    contract = confirmed_contract(found, form)
    if known := _known(store, found.contents.sha256, form):
        return known
    with store.read() as connection:
        check_quota(connection, config, form.submitted_by)  # told now rather than after the dry run; counted exactly when queued
    try:
        probe, stored = _try_and_store(config, path, found, contract, say, device, command)
    except OSError as error:
        if error.errno not in BROKEN:
            raise
        raise SubmissionError(
            f"This machine cannot store the checkpoint ({error.strerror}), and nothing was queued; make room (`python -m leaderboard doctor` says where), "
            "then submit it again."
        ) from error
    return Prepared(contract, found.contents.sha256, stored, found.identity.parameters, source, probe, tuple(found.identity.warnings))


def _try_and_store(
    config: Config, path: Path, found: Inspection, contract: ModelContract, say: Say, device: str, command: Sequence[str]
) -> tuple[dict[str, float], str]:
    """What the dry run measured, and the sha256 of the converted file, which then lies among the stored weights."""
    folder = config.data / "weights"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        say("converting")
        fresh = Path(scratch, "weights.safetensors")
        converted = convert(path, fresh, ",".join(contract.labels), contract.channels)
        if converted.contents.sha256 != found.contents.sha256:
            raise SubmissionError("The file changed while it was read; wait until it is complete and submit it again.")
        say("trying sixteen pictures")
        probe = dry_run(config, fresh, Path(scratch), device, command)
        stored = sha256_of(fresh)
        fresh.replace(weights_path(config, stored))
    return probe, stored


def _known(store: Store, sha256: str, form: Form) -> list[Queued]:
    """The live jobs of these weights if there is one for every benchmark of the form, else nothing."""
    with store.read() as connection:
        rows = connection.execute(select(jobs).where(jobs.c.weights_sha256 == sha256, jobs.c.state.in_(LIVE))).all()
    by_benchmark = {f"{row.benchmark}/{row.protocol}": job_of(row) for row in rows}
    wanted = [benchmark.id for benchmark in form.benchmarks]
    return [Queued(by_benchmark[id], is_new=False) for id in wanted] if set(wanted) <= set(by_benchmark) else []


def dry_run(config: Config, weights: Path, folder: Path, device: str = "cpu", command: Sequence[str] = COMMAND) -> dict[str, Any]:
    """Sixteen pictures through the model in a child process. Raises SubmissionError when it does not work or takes too long."""
    child = Child({"task": "probe", "weights": str(weights), "device": device}, folder, command)
    deadline = time.monotonic() + config.probe_seconds
    try:
        while (left := deadline - time.monotonic()) > 0:
            answer = child.wait(left)
            if isinstance(answer, Ended):
                log.warning("the dry run %s\n%s", answer.how, answer.log)
                raise SubmissionError(f"The model did not survive the dry run (the process {answer.how}); try it with `python -m eval score` on your machine.")
            if answer is not None and "refused" in answer:
                raise SubmissionError(sentence(str(answer["refused"])))
            if answer is not None and "done" in answer:
                return dict(answer["done"])
    finally:
        child.close()
    raise SubmissionError(f"Sixteen pictures took longer than {config.probe_seconds:g} seconds, too slow to be evaluated here.")


def submit(store: Store, config: Config, form: Form, prepared: Prepared) -> list[Queued]:
    """Store the submission and queue a job for each benchmark, all or nothing.

    Raises SubmissionError over the quota, or when the database does not answer.
    """
    id = new_id()
    row = {
        "id": id, "name": form.name, "contract": json.dumps(asdict(prepared.contract), sort_keys=True), "weights_sha256": prepared.weights_sha256,
        "stored_sha256": prepared.stored_sha256, "parameters": prepared.parameters, "source": prepared.source, "training_data": form.training_data,
        "epoch_selection": form.epoch_selection, "paper": form.paper, "code": form.code, "submitted_by": form.submitted_by,
    }  # fmt: skip
    try:
        with store.write() as connection:
            lock_user(connection, form.submitted_by)
            connection.execute(insert(submissions).values(**row, created=db_now()))
            queued = [enqueue(connection, config, id, prepared.weights_sha256, one.name, one.protocol, form.submitted_by) for one in form.benchmarks]
            if not any(one.is_new for one in queued):
                connection.execute(submissions.delete().where(submissions.c.id == id))
    except DBAPIError as error:
        if not is_outage(error):
            raise
        raise SubmissionError("The queue does not answer, so nothing was queued; submit it again in some minutes.") from error
    for one in queued:
        log.info("job %s: %s on %s/%s", one.job.id, "queued" if one.is_new else "there already", one.job.benchmark, one.job.protocol)
    return queued


def local_source(path: Path) -> str:
    """How a file of this machine is called in public: its name without its folder."""
    return f"file {re.sub(r'[^A-Za-z0-9._+-]', '_', path.name)[:100]}"
