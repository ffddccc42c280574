"""Deletion, insertion and the other measures of a heatmap: what is known beforehand, and another implementation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.stats import spearmanr

from eval.heatmaps import BASELINES, area, baseline, curves, mass, mixed, rank_correlation, ranks, reference
from eval.heatmaps_parts import part_masks
from eval.heatmaps_run import probabilities
from eval.inference import Compute
from poster.data.sketch import sketch_set
from tests.eval.conftest import CONTRACT, SmallNet

SIDE = 10
BOARD = (np.indices((SIDE, SIDE)).sum(axis=0) % 2 * 255).astype(np.uint8)[None]  # black and white: neither equals its mean
PATCH = np.zeros((SIDE, SIDE), bool)
PATCH[2:6, 3:8] = True  # a fifth of the picture


def sees_the_patch(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """A model that reads one patch: class 0 has half a chance and half the share of the patch that is still there."""
    there = (images == BOARD)[:, PATCH].mean(axis=1)
    return np.stack([0.5 + 0.5 * there, 0.5 - 0.5 * there], axis=1)


def both(maps: NDArray[np.floating], steps: int = 10, seed: int = 0) -> tuple[float, float]:
    found = curves(sees_the_patch, np.repeat(BOARD, len(maps), axis=0), maps, "mean", steps, seed)
    return float(area(found.deletion).mean()), float(area(found.insertion).mean())


def test_the_map_of_the_patch_that_decides_gets_the_best_there_is() -> None:
    """Gone after a fifth of the steps: 0.5 + 0.5 * 0.2 / 2; back after a fifth: 1 - that triangle."""
    assert both(PATCH[None].astype(float)) == pytest.approx((0.55, 0.95))
    assert both(-PATCH[None].astype(float)) == pytest.approx((0.95, 0.55))  # the worst there is


@given(arrays.arrays(np.float64, (1, SIDE, SIDE), elements=st.floats(0, 1)), st.integers(0, 9))
def test_no_map_does_better_than_the_patch_or_worse_than_its_opposite(maps: NDArray[np.float64], seed: int) -> None:
    deletion, insertion = both(maps, seed=seed)
    assert 0.55 - 1e-9 <= deletion <= 0.95 + 1e-9
    assert 0.55 - 1e-9 <= insertion <= 0.95 + 1e-9
    # Inserting by a map is deleting by its reverse, read backwards, where no two pixels are equally relevant.
    if len(np.unique(maps)) == maps.size:
        assert both(-maps, seed=seed)[0] == pytest.approx(insertion)


@pytest.mark.parametrize("kind", ["constant", "random"])
def test_a_map_that_says_nothing_gets_what_chance_gives(kind: str) -> None:
    """In the mean a share s of the patch is gone at share s of the pixels: both areas are 0.75, of a constant map and of random ones."""
    count = 400
    maps = np.full((count, SIDE, SIDE), 0.3) if kind == "constant" else baseline("random", count, SIDE, seed=5)
    found = curves(sees_the_patch, np.repeat(BOARD, count, axis=0), maps, "mean", 10)
    for values in (area(found.deletion), area(found.insertion)):
        assert abs(values.mean() - 0.75) < 4 * values.std() / np.sqrt(count)
        assert values.std() < 0.1


def plain_deletion_insertion(predict, image, heat, steps):  # type: ignore[no-untyped-def]
    """Written from the definition alone, a pixel at a time: (deletion AUC, insertion AUC) of one grey image, blurred fill."""
    side = len(image)
    gone = np.rint(gaussian_filter(image.astype(float), side / 8, mode="nearest")).astype(np.uint8)
    label = predict(image[None])[0].argmax()
    places = sorted((-heat[y, x], y, x) for y in range(side) for x in range(side))
    answers = []
    for start, other in ((image, gone), (gone, image)):
        picture, values = start.copy(), [predict(start[None])[0][label]]
        done = 0
        for step in range(1, steps + 1):
            until = round(step / steps * side * side)
            for _, y, x in places[done:until]:
                picture[y, x] = other[y, x]
            done = until
            values.append(predict(picture[None])[0][label])
        answers.append(np.trapezoid(values, dx=1 / steps))
    return answers


def test_another_implementation_finds_the_same_numbers(small_net: SmallNet) -> None:
    faces = sketch_set(1, seed=3).source.array[:3]
    grey = np.asarray(faces if faces.ndim == 3 else faces[..., 0])[:, ::2, ::2][:, :32, :32]
    assert grey.shape == (3, 32, 32)
    predict = probabilities(small_net, CONTRACT, Compute(batch_size=16))
    maps = np.random.default_rng(0).random(grey.shape)
    found = curves(predict, grey, maps, "blur", 6)
    for index in range(3):
        expected = plain_deletion_insertion(predict, grey[index], maps[index], 6)
        assert [found.deletion_auc[index], found.insertion_auc[index]] == pytest.approx(expected, abs=1e-5)


def test_the_reference_keeps_no_detail_and_the_images_colour() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    mean, blur = reference(images, "mean"), reference(images, "blur")
    assert mean.shape == blur.shape == images.shape and mean.dtype == blur.dtype == np.uint8
    assert np.array_equal(mean[:, 0, 0], images.mean(axis=(1, 2)).round())
    assert (mean == mean[:, :1, :1]).all()
    assert 1 < blur.std() < 12 < images.std()
    with pytest.raises(ValueError, match="known are blur, mean"):
        reference(images, "noise")


@given(arrays.arrays(np.float32, (2, 4, 4), elements=st.floats(-5, 5, width=32)))
def test_ranks_are_an_order_of_all_pixels_the_most_relevant_first(maps: NDArray[np.float32]) -> None:
    places = ranks(maps)
    assert np.array_equal(np.sort(places.reshape(2, -1), axis=1), np.tile(np.arange(16), (2, 1)))
    for one, values in zip(places, maps, strict=True):
        assert (np.diff(values.ravel()[np.argsort(one.ravel())]) <= 0).all()


def test_ranks_of_equals_differ_by_seed_and_nonsense_is_refused() -> None:
    constant = np.ones((1, 8, 8))
    assert np.array_equal(ranks(constant, 1), ranks(constant, 1)) and not np.array_equal(ranks(constant, 1), ranks(constant, 2))
    with pytest.raises(ValueError, match="no numbers"):
        ranks(np.full((1, 2, 2), np.nan))


def test_a_share_of_the_pixels_is_replaced_in_colour_too() -> None:
    images, other = np.zeros((1, 4, 4, 3), np.uint8), np.full((1, 4, 4, 3), 9, np.uint8)
    places = np.arange(16).reshape(1, 4, 4)
    assert mixed(images, other, places, 0.25)[0, :, :, 1].tolist() == [[9] * 4, [0] * 4, [0] * 4, [0] * 4]
    assert np.array_equal(mixed(images, other, places, 0.0), images) and np.array_equal(mixed(images, other, places, 1.0), other)


@pytest.mark.parametrize("name", BASELINES)
def test_baselines(name: str) -> None:
    maps = baseline(name, 3, 24, seed=1)
    assert maps.shape == (3, 24, 24) and maps.min() >= 0
    assert np.array_equal(maps, baseline(name, 3, 24, seed=1))
    neighbours = np.corrcoef(maps[:, :, 1:].ravel(), maps[:, :, :-1].ravel())[0, 1]
    assert neighbours < 0.1 if name == "random" else neighbours > 0.8
    assert np.allclose(maps, maps[:, ::-1, ::-1]) == (name == "centre")
    with pytest.raises(ValueError, match="known are random, blobs, centre"):
        baseline("edges", 1, 8, 0)


def test_mass_is_the_share_inside() -> None:
    inside = np.zeros((3, 4, 4), bool)
    inside[:, :2] = True
    maps = np.stack([np.ones((4, 4)), inside[0].astype(float), np.zeros((4, 4))])
    assert mass(maps, inside).tolist() == [0.5, 1.0, 0.5]


@given(arrays.arrays(np.float64, (2, 3, 4, 4), elements=st.sampled_from([0.0, 0.1, 0.5, 0.7, 1.0])))
def test_rank_correlation_is_spearmans(pair: NDArray[np.float64]) -> None:
    a, b = pair
    for index, found in enumerate(rank_correlation(a, b)):
        constant = np.ptp(a[index]) == 0 or np.ptp(b[index]) == 0
        expected = 0.0 if constant else spearmanr(a[index].ravel(), b[index].ravel()).statistic
        assert found == pytest.approx(expected, abs=1e-9)


def test_part_masks_are_the_parts_and_little_more() -> None:
    points = np.full((1, 68, 2), 0.5)
    points[0, 48:60] = np.stack([0.5 + 0.2 * np.cos(np.arange(12) * np.pi / 6), 0.75 + 0.1 * np.sin(np.arange(12) * np.pi / 6)], axis=1)
    (mask,) = part_masks(points, 96)
    rows, columns = np.nonzero(mask)
    assert mask[72, 48] and not mask[:55].any()
    assert columns.mean() + 0.5 == pytest.approx(48, abs=1) and rows.mean() + 0.5 == pytest.approx(72, abs=1)
    ellipse, rim = np.pi * 0.2 * 0.1, 2 * np.pi * np.sqrt((0.2**2 + 0.1**2) / 2) / 24
    assert mask.mean() == pytest.approx(ellipse + rim, rel=0.15)
