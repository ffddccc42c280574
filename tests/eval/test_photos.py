"""Each kind of photo is what it says, by Pillow's and NumPy's own reckoning, and comes out of the app's crop as the picture it was."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter

from eval.photos import BASE, CANVAS, CONDITIONS, LARGEST, SMALLEST, Condition, enlarged, framed
from poster.face import FER2013_MARGIN, crop_face
from poster.photo import read_photo

PICTURE = np.random.default_rng(3).integers(0, 200, (6, 6), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
BY_NAME = {condition.name: condition for condition in CONDITIONS}


def large(picture: NDArray[np.uint8], side: int = BASE) -> Image.Image:
    """The independent enlargement: in grey, then three times the same."""
    return Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC).convert("RGB")


def assert_close(photo: NDArray[np.uint8], expected: NDArray[np.float64] | Image.Image) -> None:
    np.testing.assert_allclose(photo.astype(float), np.clip(np.asarray(expected, float), 0, 255), atol=0.5001)


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda condition: condition.name)
def test_a_photo_is_one_the_app_takes_and_repeats_by_its_seed(condition: Condition) -> None:
    before = PICTURE.copy()
    photo = condition.change(PICTURE, 5)
    assert photo.rgb.dtype == np.uint8 and photo.rgb.shape[2:] == (3,) and (before == PICTURE).all()
    again = condition.change(PICTURE, 5)
    assert (photo.rgb == again.rgb).all() and (photo.left, photo.top, photo.side) == (again.left, again.top, again.side)
    read = read_photo(photo.upload())
    assert read.shape == photo.rgb.shape
    assert photo.quality is not None or (read == photo.rgb).all()
    colour = condition.change(np.repeat(PICTURE[..., None], 3, axis=2), 5)
    assert (colour.rgb == photo.rgb).all(), "a coloured picture takes the same way"


def test_the_table_names_each_kind_once() -> None:
    assert len(BY_NAME) == len(CONDITIONS)
    assert {condition.kind for condition in CONDITIONS} == {"size", "colour", "blur and light", "mirror", "crop margin", "face finder"}


@pytest.mark.parametrize("side", [96, 240, 600])
def test_sizes(side: int) -> None:
    assert_close(BY_NAME[f"{side} px"].change(PICTURE, 0).rgb, large(PICTURE, side))


def test_the_smallest_photo_is_the_picture_itself() -> None:
    assert (BY_NAME["48 px"].change(PICTURE, 0).rgb == PICTURE[..., None]).all()


def test_a_skin_has_unequal_channels_each_picture_its_own() -> None:
    grey, hues = np.asarray(large(PICTURE), float), []
    for seed in (1, 2):
        rgb = BY_NAME["skin"].change(PICTURE, seed).rgb
        hue = rgb.reshape(-1, 3).sum(axis=0) / grey[..., 0].sum()
        assert hue[0] > hue[1] > hue[2] and 0.64 < hue[1] < 0.86 and 0.64 < hue[2] / hue[1] < 0.91
        np.testing.assert_allclose(rgb, grey * hue, atol=1)
        hues.append(hue)
    assert abs(hues[0] - hues[1]).max() > 0.01


def test_lamps_stand_on_either_side() -> None:
    white = np.full((48, 48), 150, np.uint8)
    for seed, (warm, cold) in ((0, (0, -1)), (1, (-1, 0))):
        rgb = BY_NAME["lamps"].change(white, seed).rgb
        assert rgb[:, warm, 0].mean() > 1.5 * rgb[:, warm, 2].mean() and rgb[:, cold, 2].mean() > 1.5 * rgb[:, cold, 0].mean()


def test_blur_light_and_compression_are_pillows() -> None:
    whole = large(PICTURE)
    assert_close(BY_NAME["blurred"].change(PICTURE, 0).rgb, whole.filter(ImageFilter.GaussianBlur(0.02 * BASE)))
    assert_close(BY_NAME["darker"].change(PICTURE, 0).rgb, ImageEnhance.Brightness(whole).enhance(0.5))
    assert_close(BY_NAME["brighter"].change(PICTURE, 0).rgb, np.asarray(whole, float) * 1.5)
    buffer = io.BytesIO()
    whole.save(buffer, "JPEG", quality=30)
    assert BY_NAME["JPEG 30"].change(PICTURE, 0).upload() == buffer.getvalue()


def test_a_mirror_swaps_left_and_right() -> None:
    assert_close(BY_NAME["mirrored"].change(PICTURE, 0).rgb, large(PICTURE[:, ::-1]))


@pytest.mark.parametrize(("name", "factor"), [("box -10 %", 0.9), ("box +10 %", 1.1), ("box +20 %", 1.2)])
def test_boxes_grow_about_their_middle(name: str, factor: float) -> None:
    photo = BY_NAME[name].change(PICTURE, 4)
    assert (photo.side, photo.left) == (pytest.approx(factor * BASE), pytest.approx(photo.top))
    assert photo.left + photo.side / 2 == pytest.approx(BASE / 2) and (photo.rgb == enlarged(PICTURE, 4).rgb).all()


def test_a_box_aside_keeps_its_size() -> None:
    photos = [BY_NAME["box aside"].change(PICTURE, seed) for seed in range(4)]
    assert all(photo.side == BASE and np.hypot(photo.left, photo.top) == pytest.approx(0.05 * BASE) for photo in photos)
    assert len({round(photo.left, 3) for photo in photos}) == 4


@pytest.mark.parametrize("name", ["found", "snapshot"])
def test_a_face_in_a_photo_lies_where_it_is_said_to(name: str) -> None:
    photos = [BY_NAME[name].change(PICTURE, seed) for seed in range(6)]
    for seed, photo in enumerate(photos):
        left, top, side = int(photo.left), int(photo.top), int(photo.side)
        assert photo.rgb.shape == (*CANVAS, 3) and SMALLEST <= side <= LARGEST
        assert 0 <= left <= CANVAS[1] - side and 0 <= top <= CANVAS[0] - side
        there = photo.rgb[top : top + side, left : left + side].astype(float)
        if name == "found":
            assert_close(there, large(PICTURE))
        else:
            grey = np.asarray(large(PICTURE, side), float)
            np.testing.assert_allclose(there, grey * (there.sum((0, 1)) / grey.sum((0, 1))), atol=1)
        channels = photo.rgb.reshape(-1, 3).astype(float)
        assert np.abs(channels[:, 0] - channels[:, 2]).mean() > 20, f"colourful, seed {seed}"
    assert len({(photo.left, photo.top, photo.side) for photo in photos}) == 6 and (len({photo.side for photo in photos}) == 1) == (name == "found")


@given(margin=st.floats(-0.3, 1), size=st.sampled_from((48, 112)))
@settings(max_examples=20, deadline=None)
@example(margin=FER2013_MARGIN, size=48)
def test_the_known_face_is_the_one_whose_crop_is_the_picture(margin: float, size: int) -> None:
    """Pixel for pixel with the shipped model's margin; with any other but for a grey level, Pillow's own rounding."""
    picture = np.random.default_rng(0).integers(0, 256, (size, size), dtype=np.uint8)
    photo = enlarged(picture, 0, size)
    crop, _ = crop_face(photo.rgb, photo.face(margin), margin, size)
    assert np.abs(crop.astype(int) - picture[..., None]).max() <= (0 if margin == FER2013_MARGIN else 1)


def test_a_larger_box_repeats_the_last_pixels() -> None:
    photo = framed(PICTURE, 0, grown=0.2)
    crop, _ = crop_face(photo.rgb, photo.face(-0.02), -0.02, 48)
    padded = np.pad(enlarged(PICTURE, 0).rgb, ((24, 24), (24, 24), (0, 0)), mode="edge")
    expected = np.asarray(Image.fromarray(padded).resize((48, 48), Image.Resampling.BOX))
    assert np.abs(crop.astype(float) - expected).mean() < 4
