"""Writes the few kinds of ONNX nodes that a face network needs, byte by byte (onnx.proto), so that no test needs the package for one file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np


def _whole(value: int) -> bytes:
    """A number in base 128, the lowest seven bits first."""
    low, high = value & 127, value >> 7
    return bytes([low | 128]) + _whole(high) if high else bytes([low])


def _field(number: int, value: int | str | bytes) -> bytes:
    if isinstance(value, int):
        return _whole(number << 3) + _whole(value)
    content = value.encode() if isinstance(value, str) else value
    return _whole(number << 3 | 2) + _whole(len(content)) + content


def _tensor(name: str, values: np.ndarray) -> bytes:
    return b"".join(_field(1, side) for side in values.shape) + _field(2, 1) + _field(8, name) + _field(9, values.astype("<f4").tobytes())


def _attribute(name: str, value: int | Sequence[int]) -> bytes:
    if isinstance(value, int):
        return _field(1, name) + _field(3, value) + _field(20, 2)
    return _field(1, name) + b"".join(_field(8, number) for number in value) + _field(20, 7)


def _signature(name: str, shape: Sequence[int]) -> bytes:
    sides = b"".join(_field(1, _field(1, side)) for side in shape)
    return _field(1, name) + _field(2, _field(1, _field(1, 1) + _field(2, sides)))


class Graph:
    """Nodes in the order they are added; every method returns its output's name."""

    def __init__(self, shape: Sequence[int]) -> None:
        self.nodes: list[bytes] = []
        self.tensors: list[bytes] = []
        self.input = _signature("images", shape)

    def add(self, kind: str, inputs: Sequence[str], weights: Sequence[np.ndarray] = (), **attributes: int | Sequence[int]) -> str:
        output = f"{kind}{len(self.nodes)}"
        names = [f"{output}.{number}" for number in range(len(weights))]
        self.tensors += [_tensor(name, values) for name, values in zip(names, weights, strict=True)]
        given = b"".join(_field(5, _attribute(*pair)) for pair in attributes.items())
        self.nodes.append(b"".join(_field(1, name) for name in [*inputs, *names]) + _field(2, output) + _field(3, output) + _field(4, kind) + given)
        return output

    def write(self, path: Path, output: str, shape: Sequence[int]) -> None:
        parts = [_field(1, node) for node in self.nodes] + [_field(2, "g")] + [_field(5, tensor) for tensor in self.tensors]
        graph = b"".join([*parts, _field(11, self.input), _field(12, _signature(output, shape))])
        path.write_bytes(_field(1, 7) + _field(7, graph) + _field(8, _field(1, "") + _field(2, 11)))
