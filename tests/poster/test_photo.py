"""Photos: what is read is exact, what is refused is refused with a sentence, cheaply."""

from __future__ import annotations

import io
import json
import os
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from poster import photo
from poster.errors import PhotoError
from poster.photo import MAX_BYTES, MAX_JPEG_SCANS, MAX_PIXELS, MIN_SIDE, read_photo

ROOT = Path(__file__).resolve().parents[2]


def picture(width: int = 64, height: int = 48) -> np.ndarray:
    """Smooth colours with a red corner at the top left, so that any turn shows."""
    y, x = np.mgrid[:height, :width]
    rgb = np.stack([60 + x, 60 + y, 200 - x], 2).astype(np.uint8)
    rgb[: height // 4, : width // 4] = (255, 0, 0)
    return rgb


def encode(image: Image.Image | np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, depth: int, colour: int, row: bytes, rows: int | None = None, extra: bytes = b"") -> bytes:
    """A PNG written by hand: every row holds the same bytes; ``rows`` fewer than the header claims makes it a truncated one."""
    squeeze = zlib.compressobj(9)
    pixels = b"".join(squeeze.compress(b"\0" + row) for _ in range(height if rows is None else rows)) + squeeze.flush()
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def refused(source: object) -> str:
    with pytest.raises(PhotoError) as caught:
        read_photo(source)
    sentence = str(caught.value)
    assert sentence.endswith((".",)) and "\n" not in sentence and "Traceback" not in sentence
    return sentence


# What is read


@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("WEBP", {"lossless": True})])
def test_lossless_pictures_are_read_exactly(kind, options, tmp_path):
    data = encode(picture(), kind, **options)
    (tmp_path / "photo.txt").write_bytes(data)  # the name says nothing
    for source in (data, tmp_path / "photo.txt", str(tmp_path / "photo.txt")):
        rgb = read_photo(source)
        assert rgb.dtype == np.uint8 and rgb.flags.c_contiguous and rgb.flags.writeable
        np.testing.assert_array_equal(rgb, picture())


def test_jpeg_is_close():
    assert np.abs(read_photo(encode(picture(), "JPEG", quality=95)).astype(int) - picture()).mean() < 4


TURNS = {2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1], 5: lambda a: a.swapaxes(0, 1), 6: lambda a: np.rot90(a, 1),
         7: lambda a: a[::-1, ::-1].swapaxes(0, 1), 8: lambda a: np.rot90(a, -1)}  # fmt: skip


@pytest.mark.parametrize("orientation", sorted(TURNS))
@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_exif_orientation_is_honoured(orientation, kind):
    """The camera stored the picture turned; reading must undo it (EXIF 2.32, tag 0x0112)."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x8825] = {1: "N", 2: (1.0, 2.0, 3.0)}  # the position
    stored = np.ascontiguousarray(TURNS[orientation](picture()))
    np.testing.assert_array_equal(read_photo(encode(stored, kind, exif=exif, lossless=True)), picture())


def test_jpeg_orientation_and_malformed_exif():
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = np.ascontiguousarray(np.rot90(picture(), 1))
    assert np.abs(read_photo(encode(stored, "JPEG", exif=exif, quality=95)).astype(int) - picture()).mean() < 4
    broken = encode(picture(), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\x01\x12\0\x03\xff\xff\xff\xff" * 9)
    assert read_photo(broken).shape == (48, 64, 3)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA"])
def test_png_modes_become_rgb(mode):
    image = Image.fromarray(picture()).convert(mode)
    expected = np.asarray(image.convert("RGB") if mode != "P" else image.convert("RGBA").convert("RGB"))
    np.testing.assert_array_equal(read_photo(encode(image)), expected)


def test_transparency_lies_over_white():
    rgba = np.dstack([picture(), np.full((48, 64), 255, np.uint8)])
    rgba[:10, :, 3], rgba[10:20, :, 3] = 0, 128
    rgb = read_photo(encode(Image.fromarray(rgba)))
    assert (rgb[:10] == 255).all()
    np.testing.assert_allclose(rgb[10:20], picture()[10:20] * (128 / 255) + 255 * (127 / 255), atol=1)
    np.testing.assert_array_equal(rgb[20:], picture()[20:])
    palette = Image.fromarray(picture()).convert("L").convert("P")
    corner = palette.getpixel((0, 0))
    assert (read_photo(encode(palette, transparency=corner))[0, 0] == 255).all()


def test_16_bit_pictures_keep_their_high_byte():
    grey = np.linspace(0, 65535, 64 * 48).reshape(48, 64).astype(np.uint16)
    np.testing.assert_array_equal(read_photo(encode(Image.fromarray(grey)))[:, :, 1], grey >> 8)
    row = np.array([0x12FF, 0x80AA, 0xFE01] * 40, ">u2").tobytes()
    assert (read_photo(png(40, 40, 16, 2, row)) == (0x12, 0x80, 0xFE)).all()
    clear = png(40, 40, 16, 0, np.array([0x1234, 0x4321] * 20, ">u2").tobytes(), extra=chunk(b"tRNS", b"\x12\x34"))
    assert (read_photo(clear)[:, 0] == 255).all() and (read_photo(clear)[:, 1] == 0x43).all()


def test_cmyk_jpeg_keeps_its_colours():
    assert np.abs(read_photo(encode(Image.fromarray(picture()).convert("CMYK"), "JPEG", quality=95)).astype(int) - picture()).mean() < 5


def test_colour_profile_is_applied_and_a_broken_one_ignored():
    """A profile whose red and green primaries are exchanged must exchange the channels."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = (
        profile.replace(b"rXYZ", b"?XYZ", 1).replace(b"gXYZ", b"rXYZ", 1).replace(b"?XYZ", b"gXYZ", 1).replace("sRGB".encode("utf-16-be"), b"\0n\0o\0n\0e")
    )
    rgb = read_photo(encode(picture(), icc_profile=swapped)).astype(int)
    assert np.abs(rgb - picture()[:, :, [1, 0, 2]]).mean() < 2
    for harmless in (profile, profile[:200], b"x" * 500):
        np.testing.assert_array_equal(read_photo(encode(picture(), icc_profile=harmless)), picture())


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_an_animation_gives_its_first_frame(kind):
    frames = [Image.fromarray(picture()), Image.new("RGB", (64, 48), "blue"), Image.new("RGB", (64, 48), "green")]
    data = encode(frames[0], kind, save_all=True, append_images=frames[1:], duration=100, lossless=True)
    assert Image.open(io.BytesIO(data)).n_frames == 3
    np.testing.assert_array_equal(read_photo(data), picture())


def test_a_phone_picture_with_several_frames_gives_the_first():
    frames = [Image.fromarray(picture()), Image.new("RGB", (64, 48), "blue")]
    data = encode(frames[0], "MPO", save_all=True, append_images=frames[1:], quality=95)
    assert Image.open(io.BytesIO(data)).n_frames == 2
    assert np.abs(read_photo(data).astype(int) - picture()).mean() < 4


# Limits: just under passes, just over raises


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
data, before, start, said = open(sys.argv[1], "rb").read(), peak(), time.perf_counter(), ""
try:
    if sys.argv[2] == "naive":
        PIL.Image.open(io.BytesIO(data)).convert("L")
    else:
        read_photo(data)
except PhotoError as error:
    said = str(error)
print(json.dumps({"mib": peak() - before, "seconds": time.perf_counter() - start, "said": said}))
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


# What is refused


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
