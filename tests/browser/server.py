"""The app as a process of its own, on a free port of this machine."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from space.commands.serving import stop
from tests.sources import ROOT

START_SECONDS = 240  # a starved machine; a free one needs five
ANSWER_MILLISECONDS = 120_000  # the first question waits for torch and the model


@dataclass(frozen=True)
class App:
    """The app as a process of its own. cpu_to_answer: processor seconds it took until the first page was served."""

    url: str
    process: subprocess.Popen[str]
    log: Path
    uploads: Path
    cpu_to_answer: float


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def cpu_seconds(process: subprocess.Popen[str]) -> float:
    """User and system time of a process, from /proc."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def start(script: Path, folder: Path, **environment: str) -> App:
    """Run a script that serves pages on PORT, until it answers."""
    port, log, uploads = free_port(), folder / "app.log", folder / "uploads"
    uploads.mkdir()
    known = {name: value for name, value in os.environ.items() if not name.startswith(("FER_", "SPACE_"))}
    known |= {
        "PORT": str(port),
        "GRADIO_TEMP_DIR": str(uploads),
        "FER_DATA": str(folder / "data"),
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "FER_WORKER": "0",
        **environment,
    }
    with log.open("w") as output:
        process = subprocess.Popen([sys.executable, str(script)], cwd=ROOT, env=known, stdout=output, stderr=subprocess.STDOUT, text=True)
    url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=10):
                return App(url, process, log, uploads, cpu_seconds(process))
        except (urllib.error.URLError, TimeoutError):
            time.sleep(0.1)
    stop(process)
    raise AssertionError(f"the app did not start:\n{log.read_text()[-3000:]}")
