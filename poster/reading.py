"""Hand an untrusted checkpoint to the reader's child process and take back what it holds: the parent's side of `_reader`.

The parent looks at the first bytes and at a zip's table of contents, and computes checksums. It never unpickles anything.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import selectors
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import Any

from poster import safetensors_file, zipcheck
from poster._sandbox import Limits, clean_environment
from poster.errors import CheckpointError
from poster.filekind import HEAD_BYTES, kind_of

ROOT = Path(__file__).resolve().parent.parent
MAX_ANSWER = 16 << 20  # bytes of JSON taken from the child
START_SECONDS = 300.0  # for the child to import torch, on the slowest of machines
_CHILD = "import socket, sys; sys.path.append(sys.argv[1]); from poster._reader import serve; serve(socket.socket(fileno=int(sys.argv[2])))"


@dataclass(frozen=True)
class Contents:
    """What a checkpoint holds.

    container: zip, legacy or safetensors. entries: key -> (safetensors dtype, shape), keys as in the file. wrapper: the key the state
    dict was found under, "" for none. extras: epoch, best_acc, flags. metadata: a safetensors file's own. size: bytes of the file.
    """

    container: str
    sha256: str
    size: int
    entries: dict[str, tuple[str, tuple[int, ...]]]
    wrapper: str = ""
    extras: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)


class Reader:
    """Reads checkpoints in a child process. As a context manager it keeps one child warm for many files, each read in a fork of it;
    used bare (``Reader().read(path)``) it starts a child for one file. Both run the same code under the same limits. One thread at a time.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._child: _Child | None = None
        self._keep = False

    def __enter__(self) -> Reader:
        self._keep = True
        return self

    def __exit__(self, *_: object) -> None:
        self._keep = False
        self._drop()

    def read(self, path: str | os.PathLike[str], out: Path | None = None) -> Contents:
        """What the file holds; with ``out`` its tensors are also written there as safetensors under the file's own keys.

        A file that already is safetensors is checked in place and never copied. Raises CheckpointError, one sentence, for every file that
        is not an honest checkpoint; OSError when ``out`` cannot be written.
        """
        with open_regular(path) as file:
            before = os.fstat(file.fileno())
            if before.st_size > self.limits.max_bytes:
                raise CheckpointError(f"the file has {before.st_size >> 20} MiB; at most {self.limits.max_bytes >> 20} MiB are read (FER_MAX_CHECKPOINT_MIB)")
            try:
                kind = kind_of(file.read(HEAD_BYTES), before.st_size, os.fspath(path))
                if kind == "safetensors":
                    return safetensors_contents(file, before.st_size)
                return self._read_pickled(file, before.st_size, kind, out)
            finally:
                after = os.fstat(file.fileno())
                if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
                    raise CheckpointError("the file changed while it was read; wait until it is complete and try again")

    def _read_pickled(self, file: BufferedReader, size: int, kind: str, out: Path | None) -> Contents:
        found = zipcheck.members(file) if kind == "zip" else []
        with self._borrowed() as child:
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()  # while the child imports torch
            changed = zipcheck.changed_member(file, found)
            if changed is None:
                child.wait_until_ready()
                with out.open("wb") if out is not None else nullcontext() as written:
                    pipe = child.ask(file.fileno(), written.fileno() if written else None, self.limits, last=not self._keep)
                    answer = _take(pipe, self.limits.wall_seconds(size))
                    status = child.status()
        if changed is not None:
            raise CheckpointError(f"{changed} in the zip does not match its own checksum: the file changed after it was written; download it again")
        if not answer:
            raise CheckpointError(_died(status, self.limits.cpu_seconds(size)))
        return _contents(answer, kind, digest, size)

    @contextmanager
    def _borrowed(self) -> Iterator[_Child]:
        """The kept child, or a new one; ended afterwards unless it is to be kept and nothing went wrong."""
        child = self._child = self._child or _Child()
        spent = True
        try:
            yield child
            spent = not self._keep
        finally:
            if spent:
                self._drop()

    def _drop(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child = None


class _Child:
    """A running `_reader`: its process, the socket to it, and a scratch folder that is its whole world."""

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="fer-reader-")
        self.channel, theirs = socket.socketpair(socket.AF_UNIX)
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-B", "-c", _CHILD, str(ROOT), str(theirs.fileno())],
                env=clean_environment(self.folder.name),
                cwd=self.folder.name,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        self.last = self.ready = False

    def wait_until_ready(self) -> None:
        """Until torch is imported there: that is ours to wait for, and not on the file's time."""
        self.channel.settimeout(START_SECONDS)
        if not self.ready and self.channel.recv(16) != b"ready":
            raise RuntimeError(f"the reader's child process did not start (exit code {self.process.wait(START_SECONDS)})")
        self.ready = True

    def ask(self, source: int, out: int | None, limits: Limits, last: bool) -> int:
        """Send one request; returns the reading end of the pipe on which the answer comes."""
        self.last = last
        ours, theirs = os.pipe()
        request = json.dumps({"last": last, "limits": dataclasses.asdict(limits)}).encode()
        try:
            socket.send_fds(self.channel, [request], [source, theirs] + ([] if out is None else [out]))
        except BaseException:
            os.close(ours)
            raise
        finally:
            os.close(theirs)
        return ours

    def status(self) -> int:
        """How the process that worked the last request ended: 0, an exit code, or minus the signal. -SIGKILL when it had to be stopped."""
        try:
            if self.last:
                return self.process.wait(timeout=START_SECONDS)
            return int(json.loads(self.channel.recv(256) or b'{"status": 1}')["status"])
        except (subprocess.TimeoutExpired, TimeoutError):
            return -signal.SIGKILL

    def kill(self) -> None:
        """End the child and everything it started, and remove its folder."""
        self.channel.close()
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.folder.cleanup()


@contextmanager
def open_regular(path: str | os.PathLike[str]) -> Iterator[BufferedReader]:
    """Open a regular file for reading; CheckpointError for folders, devices, pipes and what is not there."""
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        reason = "there is no such file" if isinstance(error, FileNotFoundError) else f"the file cannot be opened ({getattr(error, 'strerror', error)})"
        raise CheckpointError(f"{reason}; give the path of a checkpoint") from error
    mode = os.fstat(opened).st_mode
    if not stat.S_ISREG(mode):
        os.close(opened)
        what = "a folder (a TensorFlow SavedModel, or an unpacked download?)" if stat.S_ISDIR(mode) else "a device or a pipe"
        raise CheckpointError(f"this is {what}, not a checkpoint; give the path of the file itself")
    with os.fdopen(opened, "rb") as file:
        yield file


def safetensors_contents(file: BufferedReader, size: int) -> Contents:
    """Check a safetensors file where it lies: header, finite numbers, checksum, in one pass and without torch."""
    header = safetensors_file.read_header(file, size)
    digest = safetensors_file.scan(file, header)
    entries = {key: (entry.dtype, entry.shape) for key, entry in header.entries.items()}
    return Contents("safetensors", digest, size, entries, metadata=header.metadata)


def _take(pipe: int, allowed: float) -> bytes:
    """Everything the child writes until it closes the pipe, at most MAX_ANSWER bytes, for ``allowed`` seconds."""
    taken, deadline = bytearray(), time.monotonic() + allowed
    with open(pipe, "rb", buffering=0) as stream, selectors.DefaultSelector() as ready:
        ready.register(stream, selectors.EVENT_READ)
        while True:
            if not ready.select(max(0.0, deadline - time.monotonic())):
                raise CheckpointError(f"reading the file took longer than {allowed:.0f} seconds and was stopped; it is damaged or forged")
            block = stream.read(1 << 16)
            if not block:
                return bytes(taken)
            taken += block
            if len(taken) > MAX_ANSWER:
                raise CheckpointError("the file describes more entries than any checkpoint has; it is forged")


def _died(status: int, cpu: int) -> str:
    if status in (-signal.SIGXCPU, -signal.SIGKILL):
        return f"reading the file took more than {cpu} seconds of computing or more memory than allowed and was stopped; it is forged"
    if status < 0:
        return f"the file crashed its reader ({signal.Signals(-status).name}), which ran apart and could do no harm; it is damaged or forged"
    raise RuntimeError(f"the reader's child process ended with exit code {status} before it looked at the file")


def _contents(answer: bytes, kind: str, digest: str, size: int) -> Contents:
    try:
        reply = json.loads(answer)
        if "failed" in reply:
            raise OSError(reply["failed"])
        if "refused" in reply:
            raise CheckpointError(str(reply["refused"]))
        entries = {str(key): (str(dtype), tuple(int(n) for n in shape)) for key, dtype, shape in reply["entries"]}
        return Contents(kind, digest, size, entries, str(reply["wrapper"]), dict(reply["extras"]))
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CheckpointError("the file made its reader answer nonsense, which ran apart and could do no harm; it is forged") from error
