"""``python -m leaderboard worker [--device cuda:0] [--once] [--engine local|ray]``."""

from __future__ import annotations

import argparse
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from eval.availability import survey
from leaderboard.commands.common import log_lines, opened
from leaderboard.config import Config, results_token
from leaderboard.form import benchmark_names
from leaderboard.names import sentence
from leaderboard.publisher import Publisher
from leaderboard.store import Store
from leaderboard.worker import ENGINES, Worker, serve
from poster.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="cpu", help="cpu or cuda:0 (default: cpu)")
    parser.add_argument("--once", action="store_true", help="stop when the queue is empty")
    parser.add_argument("--attached", action="store_true", help="stop when standard input closes, as it does when the process that started this one ends")
    parser.add_argument("--engine", choices=ENGINES, default="local", help="ray: shard each benchmark over a Ray cluster (requirements-cluster.txt)")


def run(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    check_device(options.device)
    if options.engine == "ray":
        from leaderboard.cluster import check_installed

        check_installed()
    with log_lines(logging.INFO, "%(asctime)s %(levelname)s %(message)s"), opened() as (store, config), publishing(store, config) as after_result:
        worker = Worker(store, config, available_benchmarks(config), options.device, options.engine, after_result=after_result)
        if options.attached:
            os.nice(10)  # less important than what it is attached to
            threading.Thread(target=_stop_with_parent, args=(worker,), daemon=True).start()
        serve(worker, options.once)
    return {"worker": worker.name, "stopped": True}, ""


@contextmanager
def publishing(store: Store, config: Config) -> Iterator[Callable[[], None] | None]:
    """What a worker calls after each result, None where no data set is set up or no token for it."""
    token = results_token()
    if not (config.results_repo and token):
        yield None
        return
    with Publisher(store, config, token) as publisher:
        yield publisher.nudge


def _stop_with_parent(worker: Worker) -> None:
    os.read(0, 1)  # not sys.stdin, whose lock would be held for ever
    worker.stop(0)


def available_benchmarks(config: Config) -> tuple[str, ...]:
    """The benchmarks whose data lie in FER_BENCHMARKS, and the built-in one. Raises InputError when that folder does not exist."""
    if config.benchmarks and not Path(config.benchmarks).is_dir():
        raise InputError(f"FER_BENCHMARKS is {config.benchmarks}, which is no folder; set it to where the data sets lie, or to nothing.")
    rows = survey(Path(config.benchmarks) if config.benchmarks else None)
    found = {row["name"] for row in rows if row["available"]}
    return tuple(name for name in benchmark_names() if name in found)


def check_device(device: str) -> None:
    """Raise InputError when there is no such device here."""
    if device != "cpu":
        from eval.inference import Compute  # torch, only where it is asked for something

        try:
            Compute(device)
        except InputError as error:
            raise InputError(sentence(str(error))) from error
