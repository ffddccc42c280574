"""``python -m space serving [--url URL] [--visitors N] [--json]``: many visitors at once against one at a time, on an app started for it."""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from poster.errors import InputError
from space.serving import Serving, asker, measure
from space.settings import prepare_environment
from space.uploads import example

APP = Path(__file__).parents[2] / "app.py"
START_SECONDS = 240  # of a starved machine; a free one needs five


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", help="an app that runs already (default: one is started for the measurement, without a worker)")
    parser.add_argument("--visitors", type=int, default=20, metavar="N", help="how many at once (default: 20)")
    parser.add_argument("--seconds", type=float, default=8.0, help="of each turn (default: 8)")
    parser.add_argument("--rounds", type=int, default=5, help="of one turn each (default: 5)")
    parser.add_argument("--cores", type=int, default=2, help="that app and visitors may use together, where the system can say so (default: 2)")


def run(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    if min(options.visitors, options.rounds, options.cores) < 1 or options.seconds <= 0:
        raise InputError("--visitors, --rounds and --cores must be at least 1 and --seconds above 0.")
    prepare_environment()  # no proxy between visitors and app
    how = (options.visitors, options.seconds, options.rounds)
    if options.url:
        if not options.url.startswith(("http://", "https://")) or not _answers(options.url):
            raise InputError("There is no app at the address given with --url; give one like http://127.0.0.1:7860.")
        found = measure(asker(options.url.rstrip("/"), example()), *how)
    else:
        if hasattr(os, "sched_setaffinity"):  # the app inherits it
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.cores])
        with started() as (url, pid):
            found = measure(asker(url, example()), *how, pid)
    return asdict(found), row(found)


def row(found: Serving) -> str:
    """The table: a line of names, a line of figures."""
    figures = {
        "what": f"{found.visitors} visitors against one at a time",
        "alone/s": f"{found.alone:.2f}",
        "together/s": f"{found.together:.2f}",
        "ratio": f"{found.ratio:.2f}",
        "p95 s": f"{found.p95:.2f}",
        "cpu ms alone": "" if found.cpu_alone is None else f"{1000 * found.cpu_alone:.0f}",
        "cpu ms together": "" if found.cpu_together is None else f"{1000 * found.cpu_together:.0f}",
        "MiB": "" if found.memory is None else "{} to {}".format(*found.memory),
        "answers": str(found.answers),
        "busy": str(found.busy),
    }
    widths = [max(len(name), len(figure)) + 2 for name, figure in figures.items()]
    return "\n".join("".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in (figures.keys(), figures.values()))


@contextmanager
def started() -> Iterator[tuple[str, int]]:
    """The app as a process of its own with an empty store, on a free port: its address and process. Raises InputError where it does not come up."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PORT": str(port), "GRADIO_TEMP_DIR": f"{folder}/uploads", "FER_DATA": f"{folder}/data", "FER_WORKER": "0"}
        process = subprocess.Popen([sys.executable, str(APP)], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            url, end = f"http://127.0.0.1:{port}", time.monotonic() + START_SECONDS
            while not _answers(url):
                if process.poll() is not None or time.monotonic() > end:
                    raise InputError("The app does not start; `make demo` says why.")
                time.sleep(0.2)
            yield url, process.pid
        finally:
            stop(process)


def stop(process: subprocess.Popen[Any]) -> None:
    """End a process, by force where it does not end by itself, and wait until it is gone."""
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=10):  # noqa: S310
            return True
    except (urllib.error.URLError, TimeoutError):
        return False
