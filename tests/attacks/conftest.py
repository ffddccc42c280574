"""Two readers side by side: the careless one that the attacks must bite, and ours."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from poster._sandbox import Limits
from poster.errors import CheckpointError
from poster.reading import Contents, Reader

ROOT = Path(__file__).resolve().parents[2]
LIMITS = Limits(cpu=6, wall=60)  # a small file may compute six seconds; the wall clock allows for a busy machine
Naive = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def naive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Naive]:
    """``naive(path, how="load")``: what a careless torch.load (or ``pickle``, ``weights_only``, ``mmap``) makes of the file, in a child process."""
    folder = tmp_path_factory.mktemp("naive")
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("naive.py"))],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as child:

        def ask(path: Path, how: str = "load", seconds: int = 20, cwd: Path = folder) -> dict[str, Any]:
            assert child.stdin is not None and child.stdout is not None
            child.stdin.write(json.dumps([how, str(path), seconds, str(cwd)]) + "\n")
            child.stdin.flush()
            return json.loads(child.stdout.readline())

        yield ask
        child.stdin.close()


@pytest.fixture(scope="session")
def reader() -> Iterator[Reader]:
    """The project's reader, kept warm for the session: the very code every command runs, each file in a fork of its own."""
    with Reader(LIMITS) as kept:
        yield kept


@pytest.fixture
def refused(reader: Reader, tmp_path: Path) -> Callable[[bytes], str]:
    """``refused(data)``: the sentence our reader answers; fails when it accepts the file, or leaves any output behind."""

    def read(data: bytes, name: str = "hostile.pth") -> str:
        path, out = tmp_path / name, tmp_path / "out.safetensors"
        path.write_bytes(data)
        with pytest.raises(CheckpointError) as caught:
            reader.read(path, out)
        return sentence(caught.value)

    return read


@pytest.fixture
def accepted(reader: Reader, tmp_path: Path) -> Callable[[bytes], tuple[Contents, Path]]:
    """``accepted(data)``: what our reader found, and the safetensors file it wrote."""

    def read(data: bytes, name: str = "honest.pth") -> tuple[Contents, Path]:
        path, out = tmp_path / name, tmp_path / "out.safetensors"
        path.write_bytes(data)
        return reader.read(path, out), out

    return read


def sentence(error: CheckpointError) -> str:
    """The message, having checked that it is one printable sentence and no traceback."""
    text = str(error)
    assert text.isprintable() and 20 <= len(text) <= 700 and "Traceback" not in text and 'File "' not in text, text
    return text
