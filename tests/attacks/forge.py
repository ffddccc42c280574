"""Builds checkpoint files by hand, opcode by opcode, so that a test can say anything a hostile file can say."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections.abc import Mapping, Sequence

LEGACY_MAGIC = pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2)


# -- a pickle assembler: every function gives the opcodes of one value
def text(value: str) -> bytes:
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def number(value: int) -> bytes:
    if -(2**31) <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    data = value.to_bytes(9, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def name(module: str, attribute: str) -> bytes:
    return f"c{module}\n{attribute}\n".encode()


def group(*values: bytes) -> bytes:
    return b"(" + b"".join(values) + b"t"


def mapping(entries: Mapping[str, bytes]) -> bytes:
    return b"}(" + b"".join(text(key) + value for key, value in entries.items()) + b"u"


def call(function: bytes, *arguments: bytes) -> bytes:
    return function + group(*arguments) + b"R"


def program(value: bytes) -> bytes:
    return b"\x80\x02" + value + b"."


# -- torch's vocabulary
def storage(key: str, numel: int, kind: str = "FloatStorage", location: str = "cuda:0", legacy: bool = False) -> bytes:
    fields = [text("storage"), name("torch", kind), text(key), text(location), number(numel)]
    return group(*fields, *([b"N"] if legacy else [])) + b"Q"


def tensor(stored: bytes, shape: Sequence[int], stride: Sequence[int] | None = None, offset: int = 0) -> bytes:
    if stride is None:
        stride = [1] * len(shape)
        for at in reversed(range(len(shape) - 1)):
            stride[at] = stride[at + 1] * shape[at + 1]
    hooks = call(name("collections", "OrderedDict"))
    sizes, steps = group(*map(number, shape)), group(*map(number, stride))
    return call(name("torch._utils", "_rebuild_tensor_v2"), stored, number(offset), sizes, steps, b"\x89", hooks)


def simple(numel: int = 4, legacy: bool = False, key: str = "0") -> bytes:
    """One honest tensor of ``numel`` floats in a storage of its own."""
    return tensor(storage(key, numel, legacy=legacy), [numel])


def floats(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}f", *values)


# -- containers
def torch_zip(value: bytes, storages: Mapping[str, bytes] | None = None, compress: Sequence[str] = (), extra: Mapping[str, bytes] | None = None) -> bytes:
    """What torch.save writes: an uncompressed zip. ``compress`` names members to deflate; ``extra`` adds members."""
    buffer = io.BytesIO()
    members = {"data.pkl": program(value), **{f"data/{key}": data for key, data in (storages or {}).items()}, "version": b"3\n", **(extra or {})}
    with zipfile.ZipFile(buffer, "w") as archive:
        for member, data in members.items():
            archive.writestr(f"archive/{member}", data, zipfile.ZIP_DEFLATED if member in compress else zipfile.ZIP_STORED)
    return buffer.getvalue()


def legacy(value: bytes, storages: Mapping[str, bytes] | None = None) -> bytes:
    """What torch.save wrote before 1.6: pickles one after the other, then the storages (FloatStorage)."""
    storages = storages or {}
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    parts = [LEGACY_MAGIC, pickle.dumps(1001, protocol=2), pickle.dumps(system, protocol=2), program(value), pickle.dumps(sorted(storages), protocol=2)]
    return b"".join(parts) + b"".join(struct.pack("<q", len(storages[key]) // 4) + storages[key] for key in sorted(storages))


def rezip(data: bytes, change: Mapping[str, bytes]) -> bytes:
    """The archive with some members' bytes replaced, checksums and offsets made right again."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w") as new:
        for info in old.infolist():
            new.writestr(info.filename, change.get(info.filename, old.read(info)))
    return buffer.getvalue()
