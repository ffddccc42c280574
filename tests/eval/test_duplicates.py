"""Copies of test images in a training set: exact ones, re-encoded and resized ones, and no others."""

import numpy as np
import pytest
from PIL import Image

from eval.corruptions import CORRUPTIONS
from eval.duplicates import find_copies, leak_report, perceptual_hash
from eval.predictions import Predictions
from poster.data.images import ArraySource, ImageSet
from poster.data.sketch import sketch_set
from poster.labels import EXPRESSIONS


def faces(count: int, seed: int) -> np.ndarray:
    """Faces over strong textures of their own, as photographs are."""
    rng = np.random.default_rng(seed)
    drawn = sketch_set(-(-count // 8), seed).source.array[:count].astype(float)
    texture = np.stack(
        [np.asarray(Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)).resize((96, 96), Image.Resampling.BICUBIC)) for _ in range(count)]
    )
    return ((drawn + texture) / 2).astype(np.uint8)


def image_set(pixels: np.ndarray) -> ImageSet:
    return ImageSet(tuple(f"k{n}" for n in range(len(pixels))), np.arange(len(pixels)) % 8, EXPRESSIONS, ArraySource(pixels), "made")


def test_exact_and_near_copies_are_found():
    test, training = faces(24, 1), faces(40, 2)
    training[5] = test[3]
    training[6] = CORRUPTIONS["jpeg"](test[8], 1, 0)
    training[7] = np.asarray(Image.fromarray(test[11]).resize((60, 60)).resize((96, 96)))
    training[8] = np.clip(test[14] * 0.9 + 5, 0, 255).astype(np.uint8)
    found = find_copies(image_set(test), image_set(training))
    assert found.exact == (3,)
    assert found.near == (8, 11, 14)
    assert found.partner == ("k6", "k7", "k8")


def test_different_faces_are_no_copies():
    found = find_copies(image_set(faces(40, 3)), image_set(faces(200, 4)))
    assert (found.exact, found.near) == ((), ())


def test_blank_pictures_match_exactly_or_not_at_all():
    blank = np.full((2, 96, 96, 3), 40, np.uint8)
    training = faces(9, 5)
    training[0] = 90
    found = find_copies(image_set(blank), image_set(training))
    assert (found.exact, found.near) == ((), ())
    training[1] = 40
    assert find_copies(image_set(blank), image_set(training)).exact == (0, 1)


def test_the_hash_survives_small_changes():
    thumbs = faces(16, 6)[:, ::3, ::3].mean(3).astype(np.uint8)
    brighter = np.clip(thumbs * 1.1 + 4, 0, 255).astype(np.uint8)
    distance = np.bitwise_count(perceptual_hash(thumbs)[:, None] ^ perceptual_hash(brighter)[None])
    assert np.diag(distance).max() <= 6
    assert distance[~np.eye(16, dtype=bool)].min() > 6


def test_the_report_leaves_copies_out():
    targets = np.array([0, 1, 2, 3])
    probabilities = np.full((4, 8), 0.05)
    probabilities[np.arange(4), [0, 1, 2, 0]] = 0.65
    predictions = Predictions(EXPRESSIONS, ("a", "b", "c", "d"), targets, probabilities)
    report = leak_report(predictions, np.array([0]), np.array([2]), ("t9",))
    assert report == {"exact": 1, "exact_keys": ["a"], "near": 1, "near_keys": [["c", "t9"]], "accuracy_without": 0.5, "num_images_without": 2}
    assert leak_report(predictions, np.arange(4))["accuracy_without"] is None
    assert leak_report(predictions, np.array([], int))["accuracy_without"] == pytest.approx(0.75)
