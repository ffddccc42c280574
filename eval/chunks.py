"""Finished chunks of a run on the disk, so that a killed run goes on where it stopped and ends with the same numbers."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from poster.data.memo import write_atomically

Arrays = dict[str, NDArray[Any]]


class ChunkStore:
    """A folder of chunk files that belong to one ``identity`` (weights, images, contract, dtype, batch ...); another identity starts anew."""

    def __init__(self, folder: Path, identity: dict[str, Any]) -> None:
        self.folder = folder
        key = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
        folder.mkdir(parents=True, exist_ok=True)
        marker = folder / "identity"
        if not marker.is_file() or marker.read_text() != key:
            self.clear()
            folder.mkdir(exist_ok=True)
            write_atomically(marker, key.encode())

    def read(self, index: int) -> Arrays | None:
        """The arrays of a finished chunk, None when it is not finished or the file is damaged."""
        try:
            with self._path(index).open("rb") as file, np.load(file, allow_pickle=False) as stored:
                return {name: stored[name] for name in stored.files}
        except (OSError, ValueError, EOFError, BadZipFile):
            return None

    def write(self, index: int, arrays: Arrays) -> None:
        """Keep a finished chunk: complete on the disk, or not there at all."""
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **arrays)
        write_atomically(self._path(index), buffer.getvalue())

    def clear(self) -> None:
        """Remove the files of this store and its folder."""
        for path in [*self.folder.glob("chunk-*.npz*"), *self.folder.glob("identity*")]:
            path.unlink(missing_ok=True)
        if self.folder.is_dir() and not any(self.folder.iterdir()):
            self.folder.rmdir()

    def _path(self, index: int) -> Path:
        return self.folder / f"chunk-{index:05d}.npz"
