"""A safetensors file without torch: its header, one pass over its numbers, and a copy under other names.

The library validates the format (``safetensors.safe_open``); what it does not offer is here. Data are never loaded as a whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import IO, Any

import numpy as np
from safetensors import SafetensorError, safe_open

from poster._sandbox import fd_path
from poster.errors import CheckpointError
from poster.filekind import MAX_SAFETENSORS_HEADER

MAX_ENTRIES, MAX_KEY = 20_000, 300
_CHUNK = 4 << 20  # bytes; a multiple of every item size
_FLOATS = {"F64": np.float64, "F32": np.float32, "F16": np.float16}
_DTYPES = (*_FLOATS, "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL")


@dataclass(frozen=True)
class Entry:
    """One tensor: safetensors dtype, shape, and where its bytes are, counted from the file's beginning."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True)
class Header:
    """Every entry in the order of the data, the file's metadata, and where the data begin."""

    entries: dict[str, Entry]
    metadata: dict[str, str]
    data_begin: int


def read_header(file: BufferedReader, size: int) -> Header:
    """The validated header of a safetensors file of ``size`` bytes. Raises CheckpointError, one sentence, when anything is off."""
    file.seek(0)
    length = int.from_bytes(file.read(8), "little")
    if length > MAX_SAFETENSORS_HEADER:
        raise CheckpointError(f"the safetensors header claims {length} bytes; at most {MAX_SAFETENSORS_HEADER >> 20} MiB are allowed")
    if 8 + length > size:
        raise CheckpointError("the safetensors file ends inside its header: it is cut short; download it again")
    try:
        described = json.loads(file.read(length), object_pairs_hook=_once)
        with safe_open(fd_path(file.fileno()), framework="np"):
            pass  # the library's own checks: offsets without holes or overlaps, shapes that fit, the file's end
    except (SafetensorError, ValueError, RecursionError, OverflowError) as error:
        raise CheckpointError(f"the safetensors file is damaged or cut short ({_reason(error)}); download it again") from error
    metadata = described.pop("__metadata__", None) or {}
    if not 1 <= len(described) <= MAX_ENTRIES:
        raise CheckpointError(f"the safetensors file has {len(described)} entries; 1 to {MAX_ENTRIES} are allowed")
    begin = 8 + length
    entries = {}
    for key, entry in sorted(described.items(), key=lambda item: item[1]["data_offsets"]):
        if not 1 <= len(key) <= MAX_KEY or not key.isprintable():
            raise CheckpointError(f"the safetensors file has the key {key[:80]!r}; keys are printable names of at most {MAX_KEY} characters")
        if entry["dtype"] not in _DTYPES:
            raise CheckpointError(f"the entry {key} has the type {entry['dtype']}; weights are {', '.join(_DTYPES)}")
        first, last = entry["data_offsets"]
        entries[key] = Entry(entry["dtype"], tuple(entry["shape"]), begin + first, begin + last)
    return Header(entries, metadata, begin)


def scan(file: BufferedReader, header: Header) -> str:
    """Read everything once: returns the file's SHA-256, raises CheckpointError where a weight is NaN or infinite."""
    file.seek(0)
    digest = hashlib.sha256(file.read(header.data_begin))
    for key, entry in header.entries.items():
        left = entry.end - entry.begin
        while left:
            block = file.read(min(left, _CHUNK))
            digest.update(block)
            if not block or not _finite(block, entry.dtype):
                raise CheckpointError(f"the entry {key} holds NaN or infinite values; such weights cannot be used")
            left -= len(block)
    return digest.hexdigest()


def copy_renamed(source: Path, out: Path, names: Mapping[str, str], metadata: Mapping[str, str]) -> None:
    """Write ``source``'s tensors to ``out`` under new names (old -> new) and with new metadata: only the header differs.

    ``out`` appears complete or not at all. Memory: a few MiB.
    """
    with source.open("rb") as file:
        header = read_header(file, os.fstat(file.fileno()).st_size)
        described: dict[str, Any] = {"__metadata__": dict(metadata)}
        for key, entry in header.entries.items():
            offsets = [entry.begin - header.data_begin, entry.end - header.data_begin]
            described[names[key]] = {"dtype": entry.dtype, "shape": list(entry.shape), "data_offsets": offsets}
        text = json.dumps(described, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        file.seek(header.data_begin)
        with replacing(out) as written:
            written.write(len(text).to_bytes(8, "little") + text)
            shutil.copyfileobj(file, written, _CHUNK)


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file to write that takes ``path``'s place only when all was written and is on the disk; nothing is left when it fails."""
    opened, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:50]}-", suffix=".part")
    part = Path(name)
    try:
        with os.fdopen(opened, "wb") as file:
            yield file
            file.flush()
            os.fsync(opened)
        part.chmod(0o644)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object in which no name stands twice (parsers disagree about which of the two counts)."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in the header")
    return found


def _finite(block: bytes, dtype: str) -> bool:
    if dtype in _FLOATS:
        return bool(np.isfinite(np.frombuffer(block, _FLOATS[dtype])).all())
    if dtype == "BF16":
        return not ((np.frombuffer(block, np.uint16) & 0x7F80) == 0x7F80).any()  # all exponent bits set: infinite or NaN
    return True


def _reason(error: Exception) -> str:
    text = "".join(c if c.isprintable() else "?" for c in str(error))
    return text[:120] or type(error).__name__
