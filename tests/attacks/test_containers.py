"""Row 4 and the zip rules behind it: archives that unpack to more than they are, or that two readers read differently."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import struct
import time
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from poster import reading
from poster.errors import CheckpointError
from poster.reading import Reader
from tests.attacks import forge
from tests.attacks.conftest import sentence

WEIGHT = forge.mapping({"w": forge.simple()})
DATA = {"0": forge.floats(1, 2, 3, 4)}
GOOD = forge.torch_zip(WEIGHT, DATA)
BIG = 100 << 20  # what the bombs unpack to


@pytest.fixture
def refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """``refused_at_once(data)``: the sentence, given without starting any child, in milliseconds."""

    def no_child() -> None:
        raise AssertionError("a file like this must be refused before torch is started")

    monkeypatch.setattr(reading, "_Child", no_child)

    def read(data: bytes, name: str = "hostile.pth") -> str:
        path = tmp_path / name
        path.write_bytes(data)
        start = time.process_time()
        with pytest.raises(CheckpointError) as caught:
            Reader().read(path)
        assert time.process_time() - start < 0.25
        return sentence(caught.value)

    return read


def test_row_4_a_deflated_storage_is_a_memory_bomb_and_is_refused(tmp_path: Path, naive, refused_at_once) -> None:
    value = forge.mapping({"w": forge.tensor(forge.storage("0", BIG // 4), [BIG // 4])})
    data = forge.torch_zip(value, {"0": bytes(BIG)}, compress=["data/0"])
    path = tmp_path / "bomb.pth"
    path.write_bytes(data)
    assert len(data) < 1 << 20
    assert naive(path, "weights_only")["mib"] > 90, "weights_only alone does not bound memory"
    assert "compressed" in refused_at_once(data)


def test_row_4_a_deflated_pickle_is_a_memory_bomb_and_is_refused(tmp_path: Path, naive, refused_at_once) -> None:
    value = forge.mapping({"w": forge.simple(), "x": forge.text("a" * BIG)})
    data = forge.torch_zip(value, DATA, compress=["data.pkl"])
    path = tmp_path / "bomb.pth"
    path.write_bytes(data)
    assert len(data) < 1 << 20
    assert naive(path, "weights_only")["mib"] > 90
    assert "compressed" in refused_at_once(data)


def test_row_4_a_member_named_twice_reads_differently_in_two_readers_and_is_refused(tmp_path: Path, naive, refused_at_once) -> None:
    buffer = io.BytesIO(GOOD)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with zipfile.ZipFile(buffer, "a") as archive:
            archive.writestr("archive/data/0", forge.floats(9, 9, 9, 9))
    path = tmp_path / "twice.pth"
    path.write_bytes(buffer.getvalue())
    by_torch = naive(path, "weights_only")["values"]["w"]
    with zipfile.ZipFile(path) as archive:
        by_python = list(struct.unpack("<4f", archive.read("archive/data/0")))
    assert by_torch != by_python, "the two readers must disagree, else a member named twice would be harmless"
    assert "two members" in refused_at_once(buffer.getvalue())


@pytest.mark.parametrize(
    ("what", "data", "says"),
    [
        ("empty", b"", "empty"),
        ("one byte", b"\x80", "too few"),
        ("half of a zip", GOOD[: len(GOOD) // 2], "cut short"),
        ("a zip without its last byte", GOOD[:-1], "cut short"),
        ("a zip with a byte too many", GOOD + b"\0", "cut short"),
        ("gzip", gzip.compress(GOOD), "gzip"),
        ("bzip2", bz2.compress(GOOD), "bzip2"),
        ("xz", lzma.compress(GOOD), "xz"),
        ("zeros", bytes(4096), "nothing but zeros"),
        ("bytes before the zip", b"junk" + GOOD, "no kind of checkpoint"),
        ("a zip inside a zip", forge.torch_zip(WEIGHT, DATA, extra={"model.pth": GOOD}), "holds archive/model.pth"),
        ("TorchScript's members", forge.torch_zip(WEIGHT, DATA, extra={"constants.pkl": b"N."}), "TorchScript"),
        ("code", forge.torch_zip(WEIGHT, DATA, extra={"code/__torch__.py": b"pass"}), "TorchScript"),
        ("two pickles", forge.torch_zip(WEIGHT, DATA, extra={"DATA.pkl": b"N."}), "two members"),
        ("a pickle in a deeper folder", forge.torch_zip(WEIGHT, DATA, extra={"x/data.pkl": b"N."}), "two members"),
        ("a huge pickle", forge.torch_zip(forge.mapping({"x": forge.text("a" * (17 << 20))})), "16 MiB"),
        ("an empty archive", b"PK\x05\x06" + bytes(18), "empty or split"),
        ("21,000 members", forge.torch_zip(WEIGHT, DATA, extra={f"data/{n}": b"" for n in range(1, 21_000)}), "20000"),
    ],
)
def test_row_4_is_refused_before_torch(what: str, data: bytes, says: str, refused_at_once) -> None:
    assert says in refused_at_once(data), what


def patched(at: bytes, change: Callable[[int], tuple[int, bytes]], last: bool = True) -> bytes:
    """GOOD with bytes replaced relative to the (last) record that begins with ``at``."""
    data = bytearray(GOOD)
    offset, value = change((data.rfind if last else data.find)(at))
    data[offset : offset + len(value)] = value
    return bytes(data)


@pytest.mark.parametrize(
    ("what", "data"),
    [
        ("the table claims one member fewer", patched(b"PK\x05\x06", lambda at: (at + 8, b"\x02\x00\x02\x00"))),
        ("the table begins elsewhere", patched(b"PK\x05\x06", lambda at: (at + 16, b"\x00\x00\x00\x00"))),
        ("the archive has a comment", patched(b"PK\x05\x06", lambda at: (at + 20, b"\x01\x00")) + b"x"),
        ("an encrypted member", patched(b"PK\x01\x02", lambda at: (at + 8, b"\x01\x00"))),
        ("a member larger than the file", patched(b"PK\x01\x02", lambda at: (at + 20, b"\xff\xff\xff\x0f\xff\xff\xff\x0f"))),
        ("a member that lies on another", patched(b"PK\x01\x02", lambda at: (at + 42, b"\x00\x00\x00\x00"))),
        ("a local header with another name", patched(b"PK\x03\x04", lambda at: (at + 30, b"ARCHIVE"))),
        ("a local header that is compressed", patched(b"PK\x03\x04", lambda at: (at + 8, b"\x08\x00"))),
        ("a member whose sizes differ", patched(b"PK\x01\x02", lambda at: (at + 20, b"\x01\x00\x00\x00"))),
        ("two folders", GOOD.replace(b"archive/version", b"another/version")),
        ("a name with a zero", GOOD.replace(b"archive/version", b"archive/versi\0n")),
    ],
)
def test_a_zip_that_torch_never_writes_is_refused_before_torch(what: str, data: bytes, refused_at_once) -> None:
    assert data != GOOD, "the patch must change something"
    refused_at_once(data)


def test_a_member_inside_another_is_refused_before_torch(refused_at_once) -> None:
    """The bytes of one storage hold a whole second member; the table points there, and every single record is in order."""
    name = b"archive/data/1"
    inner = forge.floats(5, 6, 7, 8)
    header = struct.pack("<4s5H3L2H", b"PK\x03\x04", 20, 0, 0, 0, 33, zlib.crc32(inner), len(inner), len(inner), len(name), 0) + name
    outer = header + inner
    value = forge.mapping({"w": forge.tensor(forge.storage("0", len(outer) // 4), [len(outer) // 4]), "v": forge.simple(key="1")})
    honest = forge.torch_zip(value, {"0": outer + bytes(-len(outer) % 4), "1": inner})
    entry = honest.rfind(b"PK\x01\x02", 0, honest.rfind(name))
    nested = bytearray(honest)
    nested[entry + 42 : entry + 46] = struct.pack("<L", honest.find(header))
    with zipfile.ZipFile(io.BytesIO(nested)) as archive:
        assert archive.read("archive/data/1") == inner, "Python's reader sees nothing wrong"
    assert "overlap" in refused_at_once(bytes(nested))


def test_what_torch_writes_is_let_through(accepted) -> None:
    """The other side of every refusal above: the archive they were made from, and a legacy file, are fine."""
    assert accepted(GOOD)[0].entries == {"w": ("F32", (4,))}
    assert accepted(forge.legacy(forge.mapping({"w": forge.simple(legacy=True)}), DATA))[0].entries == {"w": ("F32", (4,))}


def test_a_file_over_the_size_limit_is_refused_by_its_size(tmp_path: Path, refused_at_once) -> None:
    from poster._sandbox import Limits

    path = tmp_path / "sparse.pth"
    with path.open("wb") as file:
        os.truncate(file.fileno(), (2 << 30) + 1)
    with pytest.raises(CheckpointError, match="2048 MiB"):
        Reader().read(path)
    with pytest.raises(CheckpointError, match="nothing but zeros"):
        Reader(Limits(max_bytes=3 << 30)).read(path)


@pytest.mark.parametrize("kind", ["folder", "missing", "fifo", "device", "zero in the name"])
def test_only_regular_files_are_opened(kind: str, tmp_path: Path) -> None:
    path: str | Path = tmp_path / "thing.pth"
    if kind == "folder":
        Path(path).mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        path = "/dev/zero"
    elif kind == "zero in the name":
        path = "a\0b"
    with pytest.raises(CheckpointError) as caught:
        Reader().read(path)
    sentence(caught.value)
