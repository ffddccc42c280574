"""The table of contents of a zip that claims to come from torch.save, checked strictly before torch sees the file.

torch's reader (miniz) and Python's disagree about malformed archives, and neither bounds what an archive unpacks to. So only
what torch.save itself writes is let through: stored members one after the other, one table of contents at the very end.
"""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from io import BufferedReader

from poster.errors import CheckpointError

MAX_MEMBERS = 20_000
MAX_PICKLE = 16 << 20  # bytes of data.pkl
_MAX_TABLE = 8 << 20  # bytes of the table of contents: about 400 a member
_END, _END64, _LOCATOR, _LOCAL = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07", b"PK\x03\x04"
_BROKEN = "the file is cut short or damaged: it begins like a checkpoint (zip) but its end is not there; download it again"


@dataclass(frozen=True)
class Member:
    """One stored member: where its bytes begin in the file, how many, and the CRC-32 it was written with (0: none was kept)."""

    name: str
    offset: int
    size: int
    crc: int


def members(file: BufferedReader) -> list[Member]:
    """Every member of the torch zip, in file order. Reads the table and the local headers, never a member's data.

    Raises CheckpointError for anything that torch.save does not write.
    """
    size = file.seek(0, os.SEEK_END)
    table_at, count = _locate_table(file, size)
    try:
        file.seek(0)
        infos = zipfile.ZipFile(file).infolist()
    except (zipfile.BadZipFile, ValueError, struct.error, NotImplementedError, EOFError) as error:
        raise CheckpointError(_BROKEN) from error
    if len(infos) != count:
        raise CheckpointError("the zip's table of contents does not hold as many members as it says; the file is damaged or forged")
    _check_names([info.orig_filename for info in infos])
    for info in infos:
        if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
            raise CheckpointError("the zip has compressed members, which torch.save never writes; unpack it, or save the checkpoint again with torch.save")
        if info.flag_bits & 0x1:
            raise CheckpointError("the zip is encrypted; save the checkpoint without a password")
        if info.orig_filename.endswith("/data.pkl") and info.file_size > MAX_PICKLE:
            raise CheckpointError(f"data.pkl has {info.file_size >> 20} MiB, more than the {MAX_PICKLE >> 20} MiB allowed for the structure of a checkpoint")
    if sum(info.file_size for info in infos) > size:
        raise CheckpointError("the zip's members add up to more than the file; it is forged")
    found = sorted((_placed(file, info) for info in infos), key=lambda member: member.offset)
    ends = [member.offset + member.size for member in found]
    starts = sorted(info.header_offset for info in infos)
    if starts[0] != 0 or any(end > start for end, start in zip(ends, [*starts[1:], table_at], strict=True)):
        raise CheckpointError("the zip's members overlap or do not begin at the file's start; it is damaged or forged")
    return found


def changed_member(file: BufferedReader, found: Sequence[Member]) -> str | None:
    """The first member whose bytes do not match its CRC-32, fit for a sentence; None when all do.

    A CRC of 0 means the writer kept none (``torch.serialization.set_crc32_options(False)``).
    """
    for member in found:
        file.seek(member.offset)
        left, crc = member.size if member.crc else 0, 0
        while left and (block := file.read(min(left, 1 << 20))):
            crc, left = zlib.crc32(block, crc), left - len(block)
        if crc != member.crc:
            return _shown(member.name)
    return None


def _locate_table(file: BufferedReader, size: int) -> tuple[int, int]:
    """(where the table of contents begins, how many members) from the records at the very end of the file."""
    file.seek(max(0, size - 98))
    tail = file.read(98)
    if len(tail) < 22 or tail[-22:-18] != _END or tail[-2:] != b"\0\0":
        raise CheckpointError(_BROKEN)
    here, total, table_size, table_at = struct.unpack("<4x4xHHLL2x", tail[-22:])
    end = size - 22
    if tail[-42:-38] == _LOCATOR:  # torch.save always writes the 64-bit records too
        (record_at,) = struct.unpack("<8xQ4x", tail[-42:-22])
        if len(tail) < 98 or tail[:4] != _END64 or record_at != size - 98:
            raise CheckpointError(_BROKEN)
        here64, total64, size64, at64 = struct.unpack("<24x4Q", tail[:56])
        for narrow, wide, most in ((here, here64, 0xFFFF), (total, total64, 0xFFFF), (table_size, size64, 2**32 - 1), (table_at, at64, 2**32 - 1)):
            if narrow not in (wide, most):
                raise CheckpointError("the zip's two tables of contents contradict each other; the file is damaged or forged")
        here, total, table_size, table_at, end = here64, total64, size64, at64, size - 98
    if total > MAX_MEMBERS or table_size > _MAX_TABLE:
        raise CheckpointError(f"the zip has {total} members, more than the {MAX_MEMBERS} allowed")
    if here != total or not total or table_at + table_size != end:
        raise CheckpointError(_BROKEN)
    return table_at, total


def _check_names(names: Sequence[str]) -> None:
    """One torch.save archive: all under one folder, one data.pkl in it, no name twice (torch compares without case)."""
    tails = {name.partition("/")[2] for name in names}
    if "constants.pkl" in tails or any(tail.startswith("code/") for tail in tails):
        raise CheckpointError("the file is a TorchScript archive, which holds a program; save model.state_dict() with torch.save instead")
    if any(name.endswith((".weights.h5", "saved_model.pb")) for name in names):
        raise CheckpointError("the file is a Keras or TensorFlow archive; only PyTorch checkpoints can be read")
    if any(name.endswith(".npy") for name in names):
        raise CheckpointError("the file is a NumPy archive (.npz), not a PyTorch checkpoint")
    inner = next((name for name in names if name.lower().endswith((".pth", ".pt", ".ckpt", ".tar", ".safetensors", ".bin"))), None)
    if inner is not None:
        raise CheckpointError(f"the file is a zip folder that holds {_shown(inner)}; unpack it and use that file")
    if "data.pkl" not in tails:
        raise CheckpointError("the file is a zip archive, but not one that torch.save wrote (it holds no data.pkl)")
    if len({name.lower() for name in names}) != len(names) or sum(name.lower().endswith("data.pkl") for name in names) != 1:
        raise CheckpointError("the zip holds two members of one name; it is forged")
    if len({name.partition("/")[0] for name in names}) != 1 or any("\\" in name or "\0" in name for name in names):
        raise CheckpointError("the zip's members do not lie in one folder, as torch.save puts them")


def _placed(file: BufferedReader, info: zipfile.ZipInfo) -> Member:
    """Follow ``info`` to its local header, which must name the same member."""
    file.seek(info.header_offset)
    header = file.read(30)
    if len(header) < 30 or header[:4] != _LOCAL:
        raise CheckpointError(_BROKEN)
    flags, method, name_length, extra_length = struct.unpack("<6xHH16xHH", header)
    name = file.read(name_length)
    if method != 0 or flags & 0x1 or name != info.orig_filename.encode("utf-8" if flags & 0x800 else "cp437", "replace"):
        raise CheckpointError("the zip names a member differently in two places; it is damaged or forged")
    return Member(info.orig_filename, info.header_offset + 30 + name_length + extra_length, info.file_size, info.CRC)


def _shown(name: str) -> str:
    """A name out of an untrusted file, fit for a sentence."""
    return "".join(c if c.isprintable() else "?" for c in name)[:80]
