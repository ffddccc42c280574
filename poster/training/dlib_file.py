"""Reads the weights out of dlib's face recognition network as it is published: a stream of length-prefixed numbers and float32 tensors."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np

from poster.errors import InputError

VERSION = b"\x01\x02"  # a tensor begins with its version, the number 2 in one byte
SMALLEST = 64  # rows; what is shorter stands between the tensors and is none of the network's


def read_tensors(path: Path) -> list[np.ndarray]:
    """Every weight tensor of ``dlib_face_recognition_resnet_model_v1.dat`` (dlib-models by Davis King, public domain), from the input on.

    Each is flat: a convolution's filters and then its biases, an affine layer's factors and then its offsets, the last layer's matrix.
    Raises InputError for a file that cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read; give dlib_face_recognition_resnet_model_v1.dat of the package face_recognition_models") from error
    tensors: list[np.ndarray] = []
    at = content.find(VERSION)
    while at >= 0:
        tensor, end = _tensor(content, at + len(VERSION))
        if tensor is not None:
            tensors.append(tensor)
        at = content.find(VERSION, end)
    return tensors


def _tensor(content: bytes, at: int) -> tuple[np.ndarray | None, int]:
    """The tensor whose four sides begin at ``at``, and where it ends; None and ``at`` where there is none."""
    begin, sides = at, []
    for _ in range(4):
        side, at = _number(content, at)
        sides.append(side)
    size = math.prod(sides)
    if sides[0] < SMALLEST or size < 1 or sides[2:] != [1, 1] or at + 4 * size > len(content):
        return None, begin
    values = np.frombuffer(content, "<f4", size, at)
    return (values, at + 4 * size) if np.isfinite(values).all() else (None, begin)


def _number(content: bytes, at: int) -> tuple[int, int]:
    """dlib's whole numbers: a byte that says how many follow, then those, the lowest first. 0 for what is none."""
    length = content[at] if at < len(content) else 0
    if not 1 <= length <= 4 or at + 1 + length > len(content):
        return 0, at
    return struct.unpack("<I", content[at + 1 : at + 1 + length].ljust(4, b"\0"))[0], at + 1 + length
