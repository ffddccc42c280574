"""What was once computed from files and is kept until a file changes: inventories and arrays, in the cache folder."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from poster.data.images import ImageSet, Inventory, file_stamp, take_inventory
from poster.errors import DataError

FORMAT = 1  # part of every key: a change of what is stored makes old files unused


def cache_dir() -> Path:
    """Where decoded images lie: the setting FER_CACHE, else ``fer`` in the user's cache folder."""
    setting = os.environ.get("FER_CACHE")
    return Path(setting) if setting else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fer"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock beside ``path``, made with its folder. Raises DataError when the folder cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(f"{path}.lock")
        lock.acquire()
    except OSError as error:
        raise DataError(f"the cache folder {path.parent} cannot be written ({error.strerror}); set FER_CACHE to another folder") from error
    try:
        yield
    finally:
        lock.release()


def inventory(images: ImageSet, directory: Path | None = None) -> Inventory:
    """:func:`take_inventory`, remembered as long as no file changed."""
    stamp = images.source.stamp()
    if stamp is None:
        return take_inventory(images)
    labels = hashlib.sha256(images.targets.tobytes() + (b"" if images.votes is None else images.votes.tobytes()))
    key = hashlib.sha256(json.dumps([FORMAT, stamp, labels.hexdigest(), images.labels, images.keys]).encode()).hexdigest()[:32]
    path = (directory or cache_dir()) / f"{key}.inventory.json"
    with locked(path):
        try:
            fields = json.loads(path.read_text())
            return Inventory(fields["fingerprint"], tuple((a, b) for a, b in fields["doubled"]))
        except (OSError, ValueError, KeyError, TypeError):
            taken = take_inventory(images)
            write_atomically(path, json.dumps({"fingerprint": taken.fingerprint, "doubled": taken.doubled}).encode())
            return taken


def remembered_arrays(files: Sequence[Path], build: Callable[[], dict[str, NDArray[Any]]], directory: Path | None = None) -> dict[str, NDArray[Any]]:
    """Arrays read from ``files`` by ``build``, kept as one memory-mapped .npy each until a file changes."""
    key = hashlib.sha256(json.dumps([FORMAT, build.__qualname__, [file_stamp(path) for path in files]]).encode()).hexdigest()[:32]
    index = (directory or cache_dir()) / f"{key}.arrays.json"

    def part(name: str) -> Path:
        return index.with_name(f"{key}.{name}.npy")

    with locked(index):
        try:
            return {name: np.load(part(name), mmap_mode="r", allow_pickle=False) for name in json.loads(index.read_text())}
        except (OSError, ValueError, EOFError, TypeError):
            arrays = build()
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.save(buffer, array, allow_pickle=False)
            write_atomically(part(name), buffer.getvalue())
        write_atomically(index, json.dumps(sorted(arrays)).encode())  # last: it says that all parts are complete
        return arrays


def write_atomically(path: Path, content: bytes) -> None:
    """Write beside ``path``, flush to the disk, move into place: a reader sees the old file or the new one, never half of it."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
