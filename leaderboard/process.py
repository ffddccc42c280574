"""A child process that a worker can watch and kill: its task on stdin, its answers read as they come, nothing of ours in its environment."""

from __future__ import annotations

import errno
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from leaderboard.config import ROOT
from leaderboard.inert import inert

COMMAND = (sys.executable, "-m", "leaderboard.child")
MAX_LINE = 64 * 1024
LOG_TAIL = 2000

# The machine's fault, not the checkpoint's: a disk that is full, over its quota, broken, closed or read-only, a limit on files or processes.
BROKEN = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EACCES, errno.EPERM, errno.EROFS, errno.EFBIG, errno.EMFILE, errno.ENFILE, errno.EAGAIN))

# All that a child gets of the worker's environment: where programs and libraries lie, which devices there are, how many threads to use, the cache.
PASSED_ON = (
    "PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "CUDA_HOME", "NVIDIA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "MKL_NUM_THREADS",
    "OMP_WAIT_POLICY", "RAY_ADDRESS", "FER_CACHE", "XDG_CACHE_HOME", "HOME", "SYSTEMROOT",
)  # fmt: skip


@dataclass(frozen=True)
class Ended:
    """How a child ended. code: its exit code, negative for a signal. log: the last lines it wrote to stderr, inert."""

    code: int
    log: str

    @property
    def how(self) -> str:
        if self.code >= 0:
            return f"ended with code {self.code}"
        try:
            return f"was killed by {signal.Signals(-self.code).name}"
        except ValueError:
            return f"was killed by signal {-self.code}"


def child_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """What of ``environment`` a child may see: never a token, never the database."""
    kept = {name: environment[name] for name in PASSED_ON if name in environment}
    return {**kept, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "OMP_WAIT_POLICY": "PASSIVE"}


class Child:
    """A running child. ``folder`` is its working directory and holds its log. Always ``close()`` it; that kills what still runs."""

    def __init__(self, task: Mapping[str, Any], folder: Path, command: Sequence[str] = COMMAND) -> None:
        self.log = folder / "child.log"
        with self.log.open("wb") as log:
            environment = child_environment(os.environ)
            pipe = subprocess.PIPE
            self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=log, cwd=folder, env=environment, start_new_session=True)
        self.stdin, self.stdout = cast(IO[bytes], self.process.stdin), cast(IO[bytes], self.process.stdout)
        self.answers: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        with suppress(BrokenPipeError):  # it died at once; the end of its answers tells
            self.stdin.write(json.dumps(dict(task)).encode() + b"\n")
            self.stdin.flush()

    def _read(self) -> None:
        with self.stdout as lines:
            while line := lines.readline(MAX_LINE):
                try:
                    answer = json.loads(line)
                except (ValueError, RecursionError):
                    continue
                if isinstance(answer, dict):
                    self.answers.put(answer)
        self.answers.put(None)

    def wait(self, seconds: float) -> dict[str, Any] | Ended | None:
        """The next answer; Ended when there is none any more; None when ``seconds`` pass without one."""
        try:
            answer = self.answers.get(timeout=seconds)
        except queue.Empty:
            return None
        if answer is not None:
            return answer
        self.answers.put(None)
        code = self.process.wait()
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - LOG_TAIL))
            return Ended(code, inert(file.read(LOG_TAIL).decode(errors="replace")))

    def close(self) -> None:
        """Kill the child with everything it started, and wait until it is gone."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        with suppress(BrokenPipeError):
            self.stdin.close()
        self.reader.join()
