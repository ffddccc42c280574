"""The safetensors header and copy, against the library itself."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save, save_file

from poster.errors import CheckpointError
from poster.reading import Reader
from poster.safetensors_file import copy_renamed, read_header, replacing, scan

TENSORS = {
    "a.weight": torch.arange(6.0).reshape(2, 3),
    "b": torch.tensor(5),
    "c": torch.ones(3, dtype=torch.bfloat16),
    "d": torch.zeros(0, 2),
    "e": torch.tensor([True]),
}


def test_header_and_checksum_agree_with_the_library(tmp_path: Path) -> None:
    path = tmp_path / "good.safetensors"
    save_file(TENSORS, path, {"format": "pt"})
    with path.open("rb") as file:
        header = read_header(file, path.stat().st_size)
        assert scan(file, header) == hashlib.sha256(path.read_bytes()).hexdigest()
    assert {key: entry.shape for key, entry in header.entries.items()} == {key: tuple(tensor.shape) for key, tensor in TENSORS.items()}
    assert header.metadata == {"format": "pt"}


def test_a_renamed_copy_has_the_same_numbers_under_new_names(tmp_path: Path) -> None:
    source, out = tmp_path / "source.safetensors", tmp_path / "out.safetensors"
    save_file(TENSORS, source, {"old": "gone"})
    copy_renamed(source, out, {key: f"new.{key}" for key in TENSORS}, {"poster.contract": "{}"})
    loaded = load_file(out)
    assert loaded.keys() == {f"new.{key}" for key in TENSORS}
    assert all(torch.equal(loaded[f"new.{key}"], tensor) and loaded[f"new.{key}"].dtype == tensor.dtype for key, tensor in TENSORS.items())
    with safe_open(out, framework="pt") as file:
        assert file.metadata() == {"poster.contract": "{}"}


def forged(header: object, data: bytes = bytes(8), length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


ENTRY = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
BAD = {
    "header longer than the file": forged({"w": ENTRY}, length=10_000),
    "header of 5 MiB": forged(b"{" + b" " * (5 << 20)),
    "header is no JSON": forged(b"{not json}"),
    "header is deep": forged(b'{"a":' * 50_000),
    "no entries": forged({}, b""),
    "data end early": forged({"w": ENTRY}, bytes(7)),
    "data go on": forged({"w": ENTRY}, bytes(9)),
    "a hole": forged({"w": ENTRY | {"data_offsets": [4, 12]}}, bytes(12)),
    "an overlap": forged({"w": ENTRY, "v": ENTRY}),
    "a shape that does not fit": forged({"w": ENTRY | {"shape": [3]}}),
    "a shape that overflows": forged({"w": ENTRY | {"shape": [2**40, 2**40]}}),
    "a negative shape": forged({"w": ENTRY | {"shape": [-2]}}),
    "offsets backwards": forged({"w": ENTRY | {"data_offsets": [8, 0]}}),
    "an unknown type": forged({"w": ENTRY | {"dtype": "F33"}}),
    "an eight-bit float": forged({"w": ENTRY | {"dtype": "F8_E4M3", "shape": [8]}}),
    "a name twice": forged(b'{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'),
    "a name with a newline": forged({"w\n": ENTRY}),
    "metadata that is no text": forged({"__metadata__": {"a": 1}, "w": ENTRY}),
    "a list": forged([ENTRY]),
    "NaN": forged({"w": ENTRY}, b"\x00\x00\xc0\x7f" * 2),
    "bfloat16 infinity": forged({"w": ENTRY | {"dtype": "BF16", "shape": [4]}}, b"\x80\x7f" * 4),
}


@pytest.mark.parametrize("what", BAD)
def test_a_damaged_or_forged_file_is_one_sentence(what: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(BAD[what])
    with pytest.raises(CheckpointError) as caught:
        Reader().read(path)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 400


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(shapes=st.dictionaries(st.text(min_size=1, max_size=8).filter(str.isprintable), st.lists(st.integers(0, 3), max_size=3), min_size=1, max_size=5))
def test_every_file_the_library_writes_is_read(shapes: dict[str, list[int]], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("library") / "file.safetensors"
    path.write_bytes(save({key: torch.ones(shape) for key, shape in shapes.items()}))
    assert Reader().read(path).entries == {key: ("F32", tuple(shape)) for key, shape in shapes.items()}


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "out.bin"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), replacing(path) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]
    with replacing(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new" and list(tmp_path.iterdir()) == [path]
