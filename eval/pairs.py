"""InsightFace's verification sets (lfw.bin, cfp_fp.bin, agedb_30.bin ...): a pickle of encoded pictures and of "same person" flags.

A pickle can run code; this reader cannot. It walks the opcodes that such a file needs (bytes, booleans, numbers, lists, tuples)
and refuses any other, so nothing the file names is ever imported or called. One name is understood: before protocol 3 Python 3 writes
bytes as ``_codecs.encode(text, "latin1")``, which is worked out here.
"""

from __future__ import annotations

import io
import pickletools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poster.data.images import open_image
from poster.errors import DataError

MAX_BYTES = 2 << 30
_ENCODE = object()
_CONSTANTS = {"NEWTRUE": True, "NEWFALSE": False}
_PUSH = {
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BINSTRING", "SHORT_BINSTRING", "BININT", "BININT1", "BININT2",
    "BINUNICODE", "SHORT_BINUNICODE", "UNICODE", "INT",
}  # fmt: skip
_IGNORED = {"PROTO", "FRAME"}


@dataclass(frozen=True)
class PairSet:
    """P pairs: pictures 2 i and 2 i + 1 belong together; same: (P,) whether they show one person."""

    name: str
    pictures: tuple[bytes, ...]
    same: NDArray[np.bool_]

    def read(self, index: int) -> NDArray[np.uint8]:
        """One decoded picture, (H, W, 3) or (H, W)."""
        return open_image(io.BytesIO(self.pictures[index]), f"number {index} of {self.name}")


def read_pairs(path: Path) -> PairSet:
    """Read a .bin file. Raises DataError when it is missing, holds anything but pictures and flags, or their numbers do not fit."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f"{path.name} is larger than {MAX_BYTES >> 30} GiB; a verification set has some hundred MiB")
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"the verification set {path} cannot be read ({error.strerror}); give a .bin file") from error
    value = unpickle_plain(content, path.name)
    try:
        pictures, same = value
        pictures = tuple(item if isinstance(item, bytes) else item.encode("latin-1") for item in pictures)
        flags = np.array([bool(flag) for flag in same])
    except (TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path.name} does not hold a list of pictures and a list of flags") from error
    if len(pictures) != 2 * len(flags) or len(flags) < 2:
        raise DataError(f"{path.name} has {len(pictures)} pictures for {len(flags)} pairs; two a pair are needed")
    return PairSet(path.stem, pictures, flags)


def unpickle_plain(content: bytes, name: str) -> Any:
    """The value of a pickle made of bytes, strings, numbers, booleans, lists and tuples. Raises DataError for any other opcode."""
    stack: list[Any] = []
    marks: list[int] = []  # how high the stack was at each MARK
    memo: dict[int, Any] = {}
    refused = DataError(f"{name} is not a verification set: it holds something else than pictures and flags")
    try:
        for opcode, argument, _ in pickletools.genops(content):
            kind = opcode.name
            if kind in _PUSH:
                stack.append(argument)
            elif kind in _CONSTANTS:
                stack.append(_CONSTANTS[kind])
            elif kind in ("EMPTY_LIST", "EMPTY_TUPLE"):
                stack.append([] if kind == "EMPTY_LIST" else ())
            elif kind == "MARK":
                marks.append(len(stack))
            elif kind in ("APPENDS", "TUPLE", "LIST"):
                start = marks.pop()
                items = stack[start:]
                del stack[start:]
                if kind == "APPENDS":
                    stack[-1].extend(items)
                else:
                    stack.append(tuple(items) if kind == "TUPLE" else items)
            elif kind == "APPEND":
                item = stack.pop()
                stack[-1].append(item)
            elif kind == "TUPLE2":
                stack[-2:] = [(stack[-2], stack[-1])]
            elif kind == "GLOBAL" and argument == "_codecs encode":
                stack.append(_ENCODE)
            elif kind == "REDUCE" and stack[-2] is _ENCODE and stack[-1][1:] == ("latin1",):
                stack[-2:] = [stack[-1][0].encode("latin-1")]
            elif kind == "MEMOIZE":
                memo[len(memo)] = stack[-1]
            elif kind in ("BINPUT", "LONG_BINPUT", "PUT"):
                memo[int(argument or 0)] = stack[-1]
            elif kind in ("BINGET", "LONG_BINGET", "GET"):
                stack.append(memo[int(argument or 0)])
            elif kind == "STOP":
                return stack.pop()
            elif kind not in _IGNORED:
                raise refused
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError) as error:
        if error is refused:
            raise
        raise refused from error
    raise refused
