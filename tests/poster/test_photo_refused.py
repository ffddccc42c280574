"""Photos: what is no photo, or a damaged one, is refused with a sentence."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from poster.errors import PhotoError
from poster.photo import read_photo
from tests.poster.pictures import encode, picture, refused

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\nshowpage\n"
SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="99" height="99"><script>alert(1)</script></svg>'


@pytest.mark.parametrize(
    "data",
    [
        b"hello, this is text\n" * 20,
        SVG,
        EPS,
        b"\0",
        b"GIF89a" + bytes(200),
        encode(picture(), "GIF"),
        encode(picture(), "BMP"),
        encode(picture(), "TIFF"),
        b"%PDF-1.7",
    ],
    ids=["text", "svg", "eps", "one byte", "fake gif", "gif", "bmp", "tiff", "pdf"],
)
def test_other_content_is_refused_whatever_it_is_called(data, tmp_path):
    (tmp_path / "photo.jpg").write_bytes(data)
    assert "JPEG, PNG or WebP" in refused(tmp_path / "photo.jpg")


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"mif1", b"avif"])
def test_telephone_formats_are_named(brand):
    with pytest.raises(PhotoError, match="HEIC or AVIF photo.* as JPEG"):
        read_photo(b"\0\0\0\x18ftyp" + brand + b"\0" * 200)


def test_empty_is_refused(tmp_path):
    (tmp_path / "photo.jpg").touch()
    assert "empty" in refused(tmp_path / "photo.jpg") and "empty" in refused(b"")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.95])
def test_truncated_files_are_refused(kind, share):
    data = encode(np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8), kind)
    assert "damaged" in refused(data[: int(len(data) * share)])


def test_a_missing_file_a_folder_and_a_bad_name(tmp_path):
    assert "There is no file 'nothing.jpg'" in refused(tmp_path / "nothing.jpg")
    assert "folder" in refused(tmp_path)
    assert str(tmp_path) not in refused(tmp_path / "nothing.jpg")  # a server's folders are nobody's business
    for name in ("a\0b.jpg", "x" * 5000):
        refused(name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes and device files exist on Unix only")
@pytest.mark.timeout(20)
def test_pipes_and_devices_do_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    assert "is not a file" in refused(tmp_path / "pipe.jpg")
    for device in ("/dev/zero", "/dev/null", "/dev/urandom"):
        assert "is not a file" in refused(device)


SEEDS = [
    encode(picture(), "PNG"), encode(Image.fromarray(picture()).convert("P"), "PNG"), encode(picture(), "JPEG"), encode(picture(), "JPEG", progressive=True),
    encode(picture(), "WEBP"), encode(picture(), "WEBP", lossless=True),
]  # fmt: skip


@given(st.sampled_from(SEEDS), st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=8))
@settings(max_examples=200, deadline=None)
def test_damaged_bytes_give_pixels_or_a_sentence(data, changes):
    damaged = bytearray(data)
    for position, value in changes:
        damaged[position % len(damaged)] = value
    try:
        rgb = read_photo(bytes(damaged))
    except PhotoError as error:
        assert str(error).endswith(".")
    else:
        assert rgb.dtype == np.uint8 and rgb.ndim == 3 and rgb.shape[2] == 3
