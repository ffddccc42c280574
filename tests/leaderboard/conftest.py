"""Both databases for every test of the engine room, and small makers of submissions and results."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from sqlalchemy import Table, func, insert, select, update

from eval.catalogue import find
from leaderboard.accepted import weights_path
from leaderboard.config import Config
from leaderboard.fetch import HubFile
from leaderboard.form import Form
from leaderboard.jobs import Job, Queued, enqueue, get
from leaderboard.record import Record
from leaderboard.store import Store, db_now, jobs, new_id, open_store, submissions
from leaderboard.submission import prepare, submit
from leaderboard.worker import Worker
from poster.contract import METADATA_KEY, ModelContract
from poster.labels import ORDERS
from poster.layouts import layouts
from tests.leaderboard.fakehub import FakeHub
from tests.leaderboard.postgres import Server

QUICK = (sys.executable, "-S", str(Path(__file__).with_name("quick_child.py")))
FIELDS = {"name": "POSTER++ nano", "submitted_by": "ann", "training_data": "FERPlus Training", "epoch_selection": "unknown", "benchmarks": (find("sketch"),)}


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/leaderboard.db"
    return request.getfixturevalue("postgres").new_database()


@pytest.fixture
def config(tmp_path: Path, database_url: str) -> Config:
    return Config(data=tmp_path / "data", database_url=database_url, quota=1000)


@pytest.fixture
def store(config: Config) -> Iterator[Store]:
    opened = open_store(config.url)
    yield opened
    opened.close()


def add_job(store: Store, config: Config, weights: int = 0, user: str = "ann", benchmark: str = "sketch", source: str = "file x") -> Queued:
    """A job of made-up weights, different for every number; they lie where a worker looks for them."""
    content = f"weights {weights}".encode()
    sha = hashlib.sha256(content).hexdigest()
    place = weights_path(config, sha)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    contract = ModelContract("posterpp_nano", ("neutral", "happiness"))
    row = {
        "id": new_id(), "name": f"model {weights}", "contract": contract.to_metadata()[METADATA_KEY], "weights_sha256": sha, "stored_sha256": sha,
        "parameters": 7, "source": source, "training_data": "unknown", "epoch_selection": "unknown", "paper": "", "code": "", "submitted_by": user,
    }  # fmt: skip
    with store.write() as connection:
        connection.execute(insert(submissions).values(**row, created=db_now()))
        return enqueue(connection, config, row["id"], sha, benchmark, "self-test", user)


@pytest.fixture
def queue(store: Store, config: Config) -> Callable[..., Queued]:
    return lambda *arguments, **named: add_job(store, config, *arguments, **named)


def checkpoint(path: Path, labels: tuple[str, ...] = ORDERS["ferplus"], with_contract: bool = True, seed: int = 0) -> Path:
    """A posterpp_nano of random numbers as safetensors, made without torch."""
    layout, draw = layouts()["posterpp_nano"], np.random.default_rng(seed)
    state: dict[str, np.ndarray] = {}
    for key, shape in {**layout.entries, **layout.head("linear", len(labels))}.items():
        last = key.rpartition(".")[2]
        if last in ("num_batches_tracked", "relative_position_index"):
            state[key] = np.zeros(shape, np.int64)
        elif last == "running_var" or (last == "weight" and len(shape) == 1):
            state[key] = np.ones(shape, np.float32)
        else:
            state[key] = draw.normal(0, 1 / np.sqrt(max(1, np.prod(shape[1:]))), shape).astype(np.float32)
    contract = ModelContract("posterpp_nano", labels, input_size=layout.input_size)
    save_file(state, path, contract.to_metadata() if with_contract else None)
    return path


def record_of(job, correct: int = 3) -> Record:
    """A plausible result of a job."""
    labels, confusion = ("neutral", "happiness"), ((correct, 1), (1, 3))
    return Record(new_id(), "model", job.benchmark, 1, job.protocol, labels, confusion, job.weights_sha256)


def now(store: Store, job: Job) -> Job:
    """The job as the database has it."""
    with store.read() as connection:
        return get(connection, job.id)


def count(store: Store, table: Table) -> int:
    """Rows of a table."""
    with store.read() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def shift_clock(store: Store, seconds: float) -> None:
    """What every stored time looks like after the database's clock jumped by so many seconds."""
    with store.write() as connection:
        connection.execute(update(jobs).values(lease_until=jobs.c.lease_until - seconds, deadline=jobs.c.deadline - seconds, created=jobs.c.created - seconds))


@pytest.fixture
def from_hub(store, config, tmp_path, monkeypatch):
    """A submission from the fake Hub: its settings, repository and job."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setenv("FER_CACHE", str(tmp_path))
    path = checkpoint(tmp_path / "m.safetensors", ORDERS["raf-db"], with_contract=False)
    with FakeHub() as hub:
        repo = hub.repo("model", "org/net", {"m.safetensors": path.read_bytes()})
        there = replace(config, endpoint=hub.url)
        form = Form(**FIELDS, accepted=True)
        source = str(HubFile("org/net", repo.commits[0][0], "m.safetensors", 0))
        (queued,) = submit(store, there, form, prepare(store, there, path, source, form, command=QUICK))
        yield there, repo, queued.job


@pytest.fixture
def steer(tmp_path, monkeypatch):
    """The folder whose files tell the quick child what to do."""
    folder = tmp_path / "steer"
    folder.mkdir()
    monkeypatch.setenv("FER_CACHE", str(folder))
    for name in ("leaderboard.attempt.LOOK_SECONDS", "leaderboard.held.LOOK_SECONDS", "leaderboard.held.NEWS_SECONDS"):
        monkeypatch.setattr(name, 0.1)
    monkeypatch.setattr("leaderboard.worker.REST_SECONDS", 0.1)
    return folder


@pytest.fixture
def worker(store, config, steer):
    return Worker(store, config, command=QUICK)
