"""Photos: what is read is exact, whatever its mode, turn or profile."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from poster.photo import read_photo
from tests.poster.pictures import chunk, encode, picture, png


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
