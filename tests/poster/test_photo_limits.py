"""Photos: the limits on bytes, pixels and scans; just under passes, just over raises, cheaply."""

from __future__ import annotations

import io
import json
import os
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from poster import photo
from poster.photo import MAX_BYTES, MAX_JPEG_SCANS, MAX_PIXELS, MIN_SIDE, read_photo
from tests.poster.pictures import chunk, encode, picture, png, refused
from tests.sources import ROOT


def test_file_size_limit(tmp_path):
    data = encode(picture())
    padded = data[:-12] + chunk(b"zzZz", bytes(MAX_BYTES - len(data) - 12)) + data[-12:]
    assert len(padded) == MAX_BYTES
    np.testing.assert_array_equal(read_photo(padded), picture())
    assert "8 MB" in refused(padded + b"\0")
    (tmp_path / "large.png").write_bytes(padded + b"\0")
    assert "8 MB" in refused(tmp_path / "large.png")
    (tmp_path / "huge.png").write_bytes(data)
    os.truncate(tmp_path / "huge.png", 2**40)  # sparse: a terabyte by its size
    assert "8 MB" in refused(tmp_path / "huge.png")


def test_pixel_limit_is_read_from_the_header():
    width = MAX_PIXELS // 100
    assert read_photo(png(width, 100, 1, 0, bytes((width + 7) // 8))).shape == (100, width, 3)
    assert "40 megapixels" in refused(png(width + 1, 100, 1, 0, bytes((width + 8) // 8), rows=0))


@pytest.mark.parametrize(("kind", "tail"), [(b"VP8X", struct.pack("<IBBBB", 10, 2, 0, 0, 0)), (b"VP8L", struct.pack("<IB", 5, 0x2F))])
def test_webp_size_is_read_before_the_decoder_sees_it(kind, tail, monkeypatch):
    size = (16382).to_bytes(3, "little") * 2 if kind == b"VP8X" else (16382 | 16382 << 14).to_bytes(4, "little")
    data = b"RIFF\x64\0\0\0WEBP" + kind + tail + size + bytes(40)
    monkeypatch.setattr(photo.Image, "open", lambda *_, **__: pytest.fail("the decoder was asked"))
    assert "40 megapixels" in refused(data)


@given(st.integers(MIN_SIDE, 300), st.integers(MIN_SIDE, 300), st.sampled_from([{"lossless": True}, {"quality": 50}, {"quality": 50, "exif": b"Exif\0\0"}]))
@settings(max_examples=30, deadline=None)
def test_webp_size_agrees_with_the_decoder(width, height, options):
    assert photo._webp_size(encode(np.zeros((height, width, 3), np.uint8), "WEBP", **options)) == (width, height)


def test_shortest_side():
    assert read_photo(encode(picture(MIN_SIDE, 200))).shape == (200, MIN_SIDE, 3)
    assert f"{MIN_SIDE - 1} x 200" in refused(encode(picture(MIN_SIDE - 1, 200)))
    assert "2 x 2" in refused(encode(picture(2, 2)))


def test_jpeg_scans_are_bounded():
    """A file of a few hundred KB that repeats a cheap refinement scan keeps a naive reader busy for long."""
    data = encode(np.zeros((2000, 2000, 3), np.uint8), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    scan = data[last:-2]
    ordinary, many = data, data[:-2] + scan * 400 + b"\xff\xd9"

    def seconds(content: bytes) -> float:
        start = time.process_time()
        Image.open(io.BytesIO(content)).load()
        return time.process_time() - start

    assert seconds(many) > 5 * seconds(ordinary)
    assert str(MAX_JPEG_SCANS) in refused(many)
    assert read_photo(ordinary).shape == (2000, 2000, 3)
    spare = MAX_JPEG_SCANS - ordinary.count(b"\xff\xda")
    assert read_photo(data[:-2] + scan * spare + b"\xff\xd9").shape == (2000, 2000, 3)
    refused(data[:-2] + scan * (spare + 1) + b"\xff\xd9")


MEASURE = """
import io, json, sys, time
import numpy, PIL.Image, PIL.PngImagePlugin, PIL.ImageCms, PIL.ImageOps
from poster.photo import read_photo
from poster.errors import PhotoError
peak = lambda: int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) / 1024
data, before, start, said = open(sys.argv[1], "rb").read(), peak(), time.process_time(), ""
try:
    if sys.argv[2] == "naive":
        PIL.Image.open(io.BytesIO(data)).convert("L")
    else:
        read_photo(data)
except PhotoError as error:
    said = str(error)
print(json.dumps({"mib": peak() - before, "seconds": time.process_time() - start, "said": said}))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of a process's memory is read from Linux's /proc")
def test_a_169_megapixel_png_costs_nothing(tmp_path):
    bomb = png(13000, 13000, 1, 0, bytes(1625))
    assert len(bomb) < 40_000
    (tmp_path / "bomb.png").write_bytes(bomb)

    def measure(reader: str) -> dict:
        command = [sys.executable, "-c", MEASURE, str(tmp_path / "bomb.png"), reader]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=240)
        assert reader == "naive" or done.stderr == ""  # no warning of Pillow's reaches the user
        return json.loads(done.stdout)

    assert measure("naive")["mib"] > 150
    ours = measure("ours")
    assert "40 megapixels" in ours["said"] and ours["mib"] < 20 and ours["seconds"] < 0.1


def test_beyond_pillows_own_limit_the_sentence_is_the_same():
    assert "40 megapixels" in refused(png(60000, 60000, 1, 0, b"", rows=0))
