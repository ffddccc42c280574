"""``python -m leaderboard worker [--device cuda:0] [--once] [--engine local|ray]``."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import threading
from pathlib import Path
from typing import Any

from eval.availability import survey
from leaderboard.commands.common import opened, results_token
from leaderboard.config import Config
from leaderboard.publish import PublishError, publish
from leaderboard.store import Store
from leaderboard.submission import benchmark_names
from leaderboard.worker import ENGINES, Worker, serve

log = logging.getLogger("leaderboard.worker")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="cpu", help="cpu or cuda:0 (default: cpu)")
    parser.add_argument("--once", action="store_true", help="stop when the queue is empty")
    parser.add_argument("--attached", action="store_true", help="stop when standard input closes, as it does when the process that started this one ends")
    parser.add_argument("--engine", choices=ENGINES, default="local", help="ray: shard each benchmark over a Ray cluster (requirements-cluster.txt)")


def run(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", force=True)
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    check_device(options.device)
    if options.engine == "ray":
        from leaderboard.cluster import check_installed

        check_installed()
    with opened() as (store, config):
        worker = Worker(store, config, available_benchmarks(config), options.device, options.engine, after_result=publisher(store, config))
        if options.attached:
            threading.Thread(target=_stop_with_parent, args=(worker,), daemon=True).start()
        serve(worker, options.once)
    return {"worker": worker.name, "stopped": True}, ""


def _stop_with_parent(worker: Worker) -> None:
    os.read(0, 1)  # not sys.stdin, whose lock would be held for ever
    worker.stop(0)


def available_benchmarks(config: Config) -> tuple[str, ...]:
    """The benchmarks whose data lie in FER_BENCHMARKS, and the built-in one. Raises DataError when that folder does not exist."""
    rows = survey(Path(config.benchmarks) if config.benchmarks else None)
    found = {row["name"] for row in rows if row["available"]}
    return tuple(name for name in benchmark_names() if name in found)


def check_device(device: str) -> None:
    """Raise InputError when there is no such device here."""
    if device != "cpu":
        from eval.inference import Compute  # torch, only where it is asked for something

        Compute(device)


def publisher(store: Store, config: Config) -> Any:
    """What a worker does after each result: publish it where a data set is set up, and never mind when the Hub is away."""
    token = results_token()
    if not (config.results_repo and token):
        return None

    def after_result() -> None:
        try:
            publish(store, config, token)
        except PublishError as error:
            log.warning("not published yet: %s", error)

    return after_result
