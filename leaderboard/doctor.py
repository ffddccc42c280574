"""Is everything here that this machine needs? Each finding is well, or says what to do."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from eval.availability import survey
from leaderboard.config import Config, results_token
from leaderboard.migrations import LATEST
from leaderboard.status import waiting_jobs, worker_lines
from leaderboard.store import Store, open_store, public_name, reason
from poster.errors import InputError
from poster.shipped import shipped_models

FREE_GIB = 2.0


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. mend: what to do where it is not well. is_needed: nothing works without it."""

    what: str
    is_well: bool
    found: str = ""
    mend: str = ""
    is_needed: bool = False


def examine(device: str = "cpu") -> list[Finding]:
    """Look at everything; never raises."""
    try:
        config = Config.from_environment()
    except InputError as error:
        return [Finding("settings", False, mend=str(error), is_needed=True)]
    findings = [_disk(config), *_database(config), _data_sets(config), _device(device), _model(), _publication(config)]
    return [Finding("settings", True, f"data in {config.data}", is_needed=True), *findings]


def _database(config: Config) -> list[Finding]:
    try:
        store = open_store(config.url)
    except InputError as error:
        return [Finding("database", False, mend=str(error), is_needed=True)]
    try:
        return [Finding("database", True, f"{public_name(config.url)}, schema {LATEST}", is_needed=True), _workers(store, config)]
    except DBAPIError as error:
        mend = f"{public_name(config.url)} opens but does not answer ({reason(error)}); look at its log."
        return [Finding("database", False, mend=mend, is_needed=True)]
    finally:
        store.close()


def _workers(store: Store, config: Config) -> Finding:
    at_work, waiting = worker_lines(store, config), waiting_jobs(store)
    mend = f"No worker is at work ({waiting} jobs wait); start one with: python -m leaderboard worker"
    return Finding("worker", bool(at_work), f"{len(at_work)} at work, {waiting} jobs wait", mend)


def _disk(config: Config) -> Finding:
    try:
        config.data.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=config.data):
            free = shutil.disk_usage(config.data).free / 2**30
    except OSError as error:
        return Finding("disk", False, mend=f"{config.data} cannot be written ({error.strerror}); set FER_DATA to a folder that can.", is_needed=True)
    mend = f"Only {free:.1f} GiB are free in {config.data}; make room, or set FER_DATA to a larger disk."
    return Finding("disk", free >= FREE_GIB, f"{free:.0f} GiB free", mend, is_needed=True)


def _data_sets(config: Config) -> Finding:
    try:
        rows = survey(Path(config.benchmarks) if config.benchmarks else None)
    except InputError:
        mend = f"The folder {config.benchmarks} does not exist, and no worker starts; set FER_BENCHMARKS to where the data sets lie."
        return Finding("data sets", False, mend=mend, is_needed=True)
    here = [row["name"] for row in rows if row["available"] and not row["self_test"] and not row["name"].endswith("-lower")]
    mend = "None is here, only the self-test can run; set FER_BENCHMARKS to their folder. How to get them: python -m eval benchmarks"
    return Finding("data sets", bool(here), ", ".join(here), mend)


def _device(device: str) -> Finding:
    from eval.inference import Compute  # torch

    try:
        Compute(device)
    except InputError as error:
        return Finding("device", False, mend=f"{str(error)[:1].upper()}{str(error)[1:]}.", is_needed=True)
    return Finding("device", True, f"{device}, {os.cpu_count()} processor cores", is_needed=True)


def _model() -> Finding:
    models = shipped_models()
    mend = "poster/weights holds no model; take it from the repository, or train it: python -m poster train"
    return Finding("shipped model", bool(models), ", ".join(models), mend)


def _publication(config: Config) -> Finding:
    mend = ""
    if not config.results_repo:
        mend = "Results stay on this machine; set FER_RESULTS_REPO=ORGANISATION/NAME to publish them."
    elif not results_token():
        mend = f"Results for {config.results_repo} wait in the outbox; set FER_RESULTS_TOKEN to a token that may write it."
    return Finding("publication", not mend, config.results_repo, mend)
