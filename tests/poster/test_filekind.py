"""Files that are no checkpoint, each told by what it is; and the three kinds that are."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from poster.errors import CheckpointError
from poster.filekind import HEAD_BYTES, LEGACY_MAGIC, kind_of

MISTAKES = [
    (b"", "", "empty"),
    (b"\x80", "", "too few"),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 240000000\n", "", "Git-LFS pointer"),
    (b"<!DOCTYPE html><html><head><title>Google Drive - Virus scan warning</title>", "", "web page"),
    (b"\n\n  <HTML lang=en>", "", "web page"),
    (b"\xef\xbb\xbf<html><body></body>", "", "web page"),
    (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "", "error message"),
    (b'<svg xmlns="http://www.w3.org/2000/svg"></svg>', "", "SVG"),
    (b'{"error": "Repository not found"}', "", "JSON"),
    (b'[{"a": 1}, {"b": 2}]', "", "JSON"),
    (b"\x89HDF\r\n\x1a\n" + bytes(50), "model.h5", "HDF5"),
    (b"\x08\x07\x12\x07pytorch\x1a\x052.1.0:\x80\x10", "", "ONNX"),
    (b"anything at all here", "model.onnx", "ONNX"),
    (b"\x08\x01\x12\xa0\x14\n" + bytes(20), "saved_model.pb", "TensorFlow"),
    (b"\n\x1a\n\x05input\x12\x0bPlaceholder", "", "TensorFlow"),
    (b"\x00\x01\x02\x03\x04\x05\x06\x07\x08" * 9, "model.ckpt.data-00000-of-00001", "TensorFlow"),
    (b"\x1c\x00\x00\x00TFL3" + bytes(50), "", "TensorFlow Lite"),
    (b"\x1f\x8b\x08" + bytes(50), "", "gzip"),
    (b"BZh91AY&SY" + bytes(50), "", "bzip2"),
    (b"\xfd7zXZ\x00" + bytes(50), "", "xz"),
    (b"\x28\xb5\x2f\xfd" + bytes(50), "", "zstd"),
    (b"7z\xbc\xaf\x27\x1c" + bytes(50), "", "7z"),
    (b"Rar!\x1a\x07\x00" + bytes(50), "", "RAR"),
    (b"storages" + bytes(249) + b"ustar\x00" + bytes(300), "", "tar archive"),
    (b"\x93NUMPY\x01\x00" + bytes(50), "", "NumPy array"),
    (b"\x89PNG\r\n\x1a\n" + bytes(50), "", "PNG"),
    (b"\xff\xd8\xff\xe0" + bytes(50), "", "JPEG"),
    (b"%PDF-1.7" + bytes(50), "", "PDF"),
    (b"\x7fELF" + bytes(50), "", "program"),
    (b"GGUF" + bytes(50), "", "GGUF"),
    (b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00}\x94(h\x01K\x01u.", "", "bare pickle"),
    (b"cos\nsystem\n(S'true'\ntR.", "", "bare pickle"),
    (b"(dp0\nS'state_dict'\np1\n.", "", "bare pickle"),
    (b"PK\x05\x06" + bytes(18), "", "empty or split"),
    (bytes(5000), "", "zeros"),
    (b"import torch\nmodel = torch.nn.Linear(2, 2)\n", "", "text"),
    ("모델을 내려받는 방법".encode() * 2, "", "text"),
    (bytes(range(128, 256)) * 3, "", "no kind of checkpoint"),
]


@pytest.mark.parametrize(("data", "name", "says"), MISTAKES, ids=[says or name for _, name, says in MISTAKES])
def test_a_common_mistake_is_named(data: bytes, name: str, says: str) -> None:
    with pytest.raises(CheckpointError, match=says):
        kind_of(data[:HEAD_BYTES], len(data), name)


def test_the_three_kinds_of_checkpoints() -> None:
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    assert kind_of(b"PK\x03\x04" + bytes(100), 104) == "zip"
    assert kind_of(LEGACY_MAGIC + bytes(100), 115) == "legacy"
    assert kind_of(len(header).to_bytes(8, "little") + header + bytes(4), 12 + len(header)) == "safetensors"


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=HEAD_BYTES), st.text(max_size=20))
def test_any_beginning_is_a_kind_or_one_sentence(head: bytes, name: str) -> None:
    try:
        assert kind_of(head, len(head), name) in ("zip", "legacy", "safetensors")
    except CheckpointError as error:
        assert str(error).isprintable() and len(str(error)) < 300
