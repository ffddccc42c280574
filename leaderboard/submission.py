"""From a checkpoint and what its author says of it to a queued job: every field checked, the contract confirmed, sixteen pictures tried first."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select

from eval.benchmark import Benchmark
from eval.catalogue import CATALOGUE, find
from leaderboard.config import Config
from leaderboard.fetch import HubFile, HubUnavailable, check_size, download, sha256_of
from leaderboard.jobs import LIVE, Job, Queued, check_quota, enqueue, lock_user
from leaderboard.names import SubmissionError, check_link, check_name, check_text, sentence
from leaderboard.process import COMMAND, Child, Ended
from leaderboard.store import Store, db_now, jobs, new_id, submissions
from poster.checkpoint import Inspection, convert, inspect
from poster.contract import METADATA_KEY, ModelContract

log = logging.getLogger(__name__)

Say = Callable[[str], None]
USERS_OWN = ("folder", "huggingface")  # benchmarks that mean whatever lies on a disk: nothing to rank


class WeightsMissing(Exception):
    """The weights of an accepted submission cannot be had on this machine; not the submitter's fault."""


@dataclass(frozen=True)
class Submission:
    """An accepted checkpoint. weights_sha256: of the file as submitted; stored_sha256: of the safetensors made of it, the only file opened later.

    source: "file NAME" or "hub REPO@COMMIT/FILE". created: seconds since 1970 by the database's clock.
    """

    id: str
    name: str
    contract: ModelContract
    weights_sha256: str
    stored_sha256: str
    parameters: int
    source: str
    training_data: str
    epoch_selection: str
    paper: str
    code: str
    submitted_by: str
    created: float


@dataclass(frozen=True)
class Form:
    """What the submitter says. labels, channels: the contract, None to take what is proposed; accepted: the proposal was seen and confirmed.

    training_data, epoch_selection: required, "unknown" is an answer. Raises SubmissionError for any field that is not accepted.
    """

    name: str
    submitted_by: str
    training_data: str
    epoch_selection: str
    benchmarks: tuple[Benchmark, ...]
    paper: str = ""
    code: str = ""
    labels: str | None = None
    channels: str | None = None
    accepted: bool = False

    def __post_init__(self) -> None:
        for field, what in (("name", "model's name"), ("submitted_by", "submitter's name")):
            object.__setattr__(self, field, check_name(getattr(self, field), what))
        for field, what in (("training_data", "training data"), ("epoch_selection", "epoch selection")):
            if not (text := getattr(self, field) or "").strip():
                raise SubmissionError(f"The {what} must be disclosed; write unknown if you do not know.")
            object.__setattr__(self, field, check_text(text, what))
        for field in ("paper", "code"):
            object.__setattr__(self, field, check_link(getattr(self, field), field))
        if not self.benchmarks:
            raise SubmissionError(f"Name at least one benchmark; there are {', '.join(benchmark_names())}.")


def benchmark_names() -> tuple[str, ...]:
    """Benchmarks that a model can be submitted to."""
    return tuple(dict.fromkeys(benchmark.name for benchmark in CATALOGUE if benchmark.name.removesuffix("-lower") not in USERS_OWN))


def choose_benchmarks(names: Sequence[str]) -> tuple[Benchmark, ...]:
    """Benchmarks from "ferplus" or "ferplus/majority", each once, in a fixed order. Raises InputError naming those there are."""
    chosen = {}
    for text in names:
        name, _, protocol = text.partition("/")
        if name not in benchmark_names():
            raise SubmissionError(f"There is no benchmark {name[:40]!r} to submit to; there are {', '.join(benchmark_names())}.")
        benchmark = find(name, protocol or None)
        chosen[benchmark.id] = benchmark
    return tuple(chosen[key] for key in sorted(chosen))  # one order for everybody, so that two submissions never wait for each other


@dataclass(frozen=True)
class Prepared:
    """A checkpoint that passed the dry run. probe: seconds_per_image, answers, spread (see leaderboard/child.py). warnings: for the submitter."""

    contract: ModelContract
    weights_sha256: str
    stored_sha256: str
    parameters: int
    source: str
    probe: Mapping[str, float]
    warnings: tuple[str, ...]


def propose(config: Config, path: Path) -> Inspection:
    """Open and identify a checkpoint. Raises SubmissionError when it is no model that can be scored, CheckpointError when it cannot be opened."""
    if not path.is_file():
        raise SubmissionError(f"There is no file {path.name}; give the path of a checkpoint.")
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
    return Prepared(contract, found.contents.sha256, stored, found.identity.parameters, source, probe, tuple(found.identity.warnings))


def _known(store: Store, sha256: str, form: Form) -> list[Queued]:
    """The live jobs of these weights if there is one for every benchmark of the form, else nothing."""
    with store.read() as connection:
        rows = connection.execute(select(jobs).where(jobs.c.weights_sha256 == sha256, jobs.c.state.in_(LIVE))).all()
    by_benchmark = {f"{row.benchmark}/{row.protocol}": Job(**row._mapping) for row in rows}
    wanted = [benchmark.id for benchmark in form.benchmarks]
    return [Queued(by_benchmark[id], is_new=False) for id in wanted] if set(wanted) <= set(by_benchmark) else []


def dry_run(config: Config, weights: Path, folder: Path, device: str = "cpu", command: Sequence[str] = COMMAND) -> dict[str, float]:
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
    """Store the submission and queue a job for each benchmark, all or nothing. Raises SubmissionError over the quota."""
    id = new_id()
    row = {
        "id": id, "name": form.name, "contract": json.dumps(asdict(prepared.contract), sort_keys=True), "weights_sha256": prepared.weights_sha256,
        "stored_sha256": prepared.stored_sha256, "parameters": prepared.parameters, "source": prepared.source, "training_data": form.training_data,
        "epoch_selection": form.epoch_selection, "paper": form.paper, "code": form.code, "submitted_by": form.submitted_by,
    }  # fmt: skip
    with store.write() as connection:
        lock_user(connection, form.submitted_by)
        connection.execute(insert(submissions).values(**row, created=db_now()))
        queued = [enqueue(connection, config, id, prepared.weights_sha256, one.name, one.protocol, form.submitted_by) for one in form.benchmarks]
        if not any(one.is_new for one in queued):
            connection.execute(submissions.delete().where(submissions.c.id == id))
    for one in queued:
        log.info("job %s: %s on %s/%s", one.job.id, "queued" if one.is_new else "there already", one.job.benchmark, one.job.protocol)
    return queued


def local_source(path: Path) -> str:
    """How a file of this machine is called in public: its name without its folder."""
    return f"file {re.sub(r'[^A-Za-z0-9._+-]', '_', path.name)[:100]}"


def load_submission(store: Store, id: str) -> Submission:
    """A stored submission. Raises sqlalchemy.exc.NoResultFound for an unknown id."""
    with store.read() as connection:
        row = connection.execute(select(submissions).where(submissions.c.id == id)).one()
    return submission_of(row._asdict())


def submission_of(row: Mapping[str, Any]) -> Submission:
    """A row of the table as a Submission."""
    contract = ModelContract.from_metadata({METADATA_KEY: row["contract"]})
    return Submission(**{**row, "contract": contract})


def weights_path(config: Config, stored_sha256: str) -> Path:
    """Where the safetensors of a submission lie."""
    return config.data / "weights" / f"{stored_sha256}.safetensors"


def obtain_weights(config: Config, submission: Submission, folder: Path) -> tuple[Path, str]:
    """The safetensors to evaluate and its sha256: the stored file if intact, else fetched again from the Hub into ``folder``.

    Raises WeightsMissing when it cannot be had here, SubmissionError when the Hub's file is gone or differs from the one submitted.
    """
    stored = weights_path(config, submission.stored_sha256)
    if stored.is_file():
        copy = folder / "weights.safetensors"
        try:
            os.link(stored, copy)  # a name of our own: the stored file may be tidied away while the job runs
        except OSError:
            shutil.copyfile(stored, copy)
        if sha256_of(copy) == submission.stored_sha256:
            return copy, submission.stored_sha256
        log.error("the stored weights of submission %s are damaged", submission.id)
        copy.unlink()
    file = HubFile.parse(submission.source)
    if file is None:
        raise WeightsMissing("The submitted file is not on the machine that took the job; workers on several machines need a common FER_DATA folder.")
    try:
        path = download(config, file, folder / "hub")
    except HubUnavailable as error:
        raise WeightsMissing(str(error)) from error
    if sha256_of(path) != submission.weights_sha256:
        raise SubmissionError(f"{file.filename} of {file.repo} at commit {file.commit[:7]} is not the file that was submitted (its sha256 differs).")
    fresh = folder / "weights.safetensors"
    convert(path, fresh, ",".join(submission.contract.labels), submission.contract.channels)
    shutil.rmtree(folder / "hub")
    return fresh, sha256_of(fresh)


def forget_weights(store: Store, config: Config, submission: Submission) -> None:
    """Remove the stored weights of a Hub submission that no waiting or running job needs; they can be fetched again."""
    if HubFile.parse(submission.source) is None:
        return
    needed = select(jobs.c.id).join(submissions, jobs.c.submission == submissions.c.id)
    needed = needed.where(submissions.c.stored_sha256 == submission.stored_sha256, jobs.c.state.in_(("queued", "running")))
    with store.read() as connection:
        if connection.execute(needed.limit(1)).first() is None:
            weights_path(config, submission.stored_sha256).unlink(missing_ok=True)
