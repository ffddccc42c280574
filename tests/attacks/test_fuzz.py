"""Mutated checkpoints by the hundred: every one is refused in a sentence, or read exactly as torch reads it.

200 files in the normal suite, FER_FUZZ=2000 for a nightly run. Seeds are fixed, so a failure names the file that caused it.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickletools
import random
import struct
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save

from poster.errors import CheckpointError
from poster.reading import Reader
from tests.attacks import forge
from tests.attacks.conftest import sentence
from tests.attacks.naive import digest

FILES = int(os.environ.get("FER_FUZZ", "200"))
EXTREMES = [0, 1, -1, 2**31 - 1, -(2**31), 2**32 - 1, 2**40, 2**63 - 1]


def own_files() -> dict[str, bytes]:
    """Small honest files of both containers, as torch writes them."""
    state = {f"module.layer{n}.weight": torch.arange(12.0).reshape(3, 4) + n for n in range(5)} | {"module.steps": torch.tensor(3)}
    files = {}
    for name, zipped in (("own.pth", True), ("own_legacy.pth.tar", False)):
        buffer = io.BytesIO()
        torch.save({"epoch": 3, "state_dict": state, "optimizer": {"state": {}, "param_groups": []}}, buffer, _use_new_zipfile_serialization=zipped)
        files[name] = buffer.getvalue()
    return files


def look_alikes() -> dict[str, bytes]:
    """The official scripts' own miniature files, where the reference data are at hand."""
    folder = Path(os.environ.get("FER_SHARED", Path(__file__).resolve().parents[3] / "shared")) / "golden" / "checkpoints"
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*")) if "optimizer_only" not in path.name}


def payload(marker: Path) -> bytes:
    return forge.call(forge.name("posix", "system"), forge.text(f"touch '{marker}'")) + b"0"


def mutate_bytes(data: bytes, rng: random.Random) -> bytes:
    """Flip, cut, repeat, swap or overwrite somewhere."""
    changed = bytearray(data)
    how = rng.randrange(6)
    at, length = rng.randrange(len(data)), rng.choice([1, 2, 4, 8, 64, 512])
    if how == 0:
        for _ in range(rng.choice([1, 2, 16])):
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    elif how == 1:
        del changed[at : at + length]
    elif how == 2:
        changed[at:at] = data[at : at + length]
    elif how == 3:
        other = rng.randrange(len(data))
        changed[at : at + length], changed[other : other + length] = data[other : other + length], data[at : at + length]
    elif how == 4:
        value = struct.pack("<q", rng.choice(EXTREMES[:-2]))[: rng.choice([1, 2, 4, 8])]
        changed[at : at + len(value)] = value
    else:
        del changed[rng.randrange(len(changed)) :]
    return bytes(changed)


def mutate_pickle(data: bytes, rng: random.Random, marker: Path) -> bytes:
    """Work on whole opcodes: drop, repeat, swap or replace one, or put a payload between two."""
    try:
        starts = [position for _, _, position in pickletools.genops(data)]
    except ValueError:
        return mutate_bytes(data, rng)
    operations = [data[start:end] for start, end in zip(starts, [*starts[1:], starts[-1] + 1], strict=True)]
    at, other = rng.randrange(1, len(operations)), rng.randrange(1, len(operations))
    how = rng.randrange(5)
    if how == 0:
        del operations[at]
    elif how == 1:
        operations.insert(at, operations[other])
    elif how == 2:
        operations[at], operations[other] = operations[other], operations[at]
    elif how == 3:
        operations[at] = rng.choice([forge.number(rng.choice(EXTREMES)), forge.text("x" * 50), b"N", b"}", b"]", b"R", b"Q", b"b", b"\x81", b"u", b"t", b"("])
    else:
        operations.insert(at, payload(marker))
    return b"".join(operations)


def mutate(data: bytes, rng: random.Random, marker: Path) -> bytes:
    """A mutated file; half of the zips are put together again with right checksums, so that what is inside is reached."""
    if not data.startswith(b"PK") or rng.random() < 0.3:
        if data.startswith(b"PK") or rng.random() < 0.5:
            return mutate_bytes(data, rng)
        head = len(forge.LEGACY_MAGIC)
        return data[:head] + mutate_pickle(data[head:], rng, marker) if rng.random() < 0.5 else _splice(data, payload(marker), rng)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        pickled = next(name for name in names if name.endswith("data.pkl"))
        name = pickled if rng.random() < 0.75 else rng.choice(names)
        content = archive.read(name)
    change = mutate_pickle(content, rng, marker) if name == pickled and rng.random() < 0.8 else mutate_bytes(content or b"\0", rng)
    return forge.rezip(data, {name: change})


def _splice(data: bytes, insert: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(forge.LEGACY_MAGIC), len(data))
    return data[:at] + insert + data[at:]


@pytest.fixture(scope="module")
def originals() -> dict[str, bytes]:
    return own_files() | look_alikes()


@pytest.mark.timeout(60 + FILES * 3)
def test_mutated_checkpoints(originals: dict[str, bytes], tmp_path: Path, reader: Reader, naive: Callable[..., dict]) -> None:
    path, out, marker = tmp_path / "mutated.pth", tmp_path / "out.safetensors", tmp_path / "marker"
    names = sorted(originals)
    refused = accepted = 0
    for seed in range(FILES):
        rng = random.Random(seed)
        original = originals[names[seed % len(names)]]
        data = mutate(original, rng, marker)
        path.write_bytes(data)
        out.unlink(missing_ok=True)
        about = f"seed {seed}, from {names[seed % len(names)]}"
        try:
            contents = reader.read(path, out)
        except CheckpointError as error:
            sentence(error)
            refused += 1
        else:
            accepted += 1
            assert contents.sha256 == hashlib.sha256(data).hexdigest(), about
            assert data == original or contents.sha256 != hashlib.sha256(original).hexdigest(), about
            read = {key: digest(value) for key, value in load_file(out).items()}
            assert read == naive(path, "stand-ins").get("digests"), f"{about}: what is accepted is what torch reads, bit by bit"
        assert not marker.exists(), about
    assert refused > FILES * 0.4 and accepted > FILES * 0.02, f"{refused} refused, {accepted} accepted: the mutations must reach both"
    sys.stdout.write(f"{refused} refused, {accepted} accepted as torch reads them\n")


def test_the_payload_of_the_fuzzer_is_a_real_one(originals: dict[str, bytes], tmp_path: Path, naive: Callable[..., dict]) -> None:
    """Put in at the right place it runs in a careless reader, so its absence above means something."""
    marker = tmp_path / "marker"
    data = originals["own.pth"]
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        name = next(name for name in archive.namelist() if name.endswith("data.pkl"))
        content = archive.read(name)
    path = tmp_path / "file.pth"
    path.write_bytes(forge.rezip(data, {name: content[:2] + payload(marker) + content[2:]}))
    naive(path)
    assert marker.exists()


def mutated_headers(data: bytes) -> Iterator[tuple[int, bytes]]:
    length = 8 + int.from_bytes(data[:8], "little")
    for seed in range(FILES):
        rng = random.Random(seed)
        changed = bytearray(data)
        for _ in range(rng.choice([1, 1, 2, 8])):
            changed[rng.randrange(length)] = rng.choice(b'0123456789{}[]",:FI \x00\xff') if rng.random() < 0.8 else rng.randrange(256)
        yield seed, bytes(changed[: rng.randrange(len(changed))] if rng.random() < 0.1 else changed)


def test_mutated_safetensors(tmp_path: Path, reader: Reader) -> None:
    data = save({"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.tensor([1, 2]), "c": torch.zeros(2, dtype=torch.float16)}, {"format": "pt"})
    path = tmp_path / "mutated.safetensors"
    accepted = 0
    for seed, changed in mutated_headers(data):
        path.write_bytes(changed)
        try:
            contents = reader.read(path)
        except CheckpointError as error:
            sentence(error)
            continue
        accepted += 1
        try:
            with safe_open(path, framework="pt") as file:
                assert {key: tuple(file.get_tensor(key).shape) for key in file.keys()} == {k: shape for k, (_, shape) in contents.entries.items()}, seed  # noqa: SIM118
        except SafetensorError as error:
            raise AssertionError(f"seed {seed}: accepted what the library refuses") from error
    assert accepted > 0, "some mutations (of a name) must leave a good file"
