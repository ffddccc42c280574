"""Training data from folders: the held-out split, the sampler, the lower face."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from poster.errors import DataError
from poster.training.data import load, load_folder
from poster.training.recipes import RECIPES

RECIPE = RECIPES["posterpp_raf_db"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An ImageFolder of seven classes, numbered as RAF-DB's, 10 to 40 pictures each, whose red says the class and whose rows say up or down."""
    monkeypatch.setenv("FER_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    for split, count in (("train", 10), ("valid", 3)):
        for label in range(7):
            place = tmp_path / "set" / split / str(label + 1)
            place.mkdir(parents=True)
            for i in range(count + 5 * label if split == "train" else count):
                pixels = rng.integers(0, 100, (40, 40, 3), dtype=np.uint8)
                pixels[..., 0] = 30 * label
                pixels[:20, :, 2], pixels[20:, :, 2] = 0, 255
                Image.fromarray(pixels).save(place / f"{i}.png")
    return tmp_path / "set"


def test_a_tenth_of_every_class_is_held_out(folder: Path) -> None:
    data = load(RECIPE, folder)
    assert data.images.shape == (175, 224, 224, 3)
    assert not set(data.train) & set(data.validation) and len(data.train) + len(data.validation) == 175
    held = np.bincount(data.labels[data.validation], minlength=7)
    assert held.tolist() == [round(0.1 * (10 + 5 * label)) for label in range(7)]
    assert np.array_equal(data.images[:, 0, 0, 0] // 30, data.labels) and np.array_equal(data.votes.argmax(1), data.labels)
    assert "seed 1" in data.split and "training part" in data.split
    other = load(dataclasses.replace(RECIPE, seed=2), folder)
    assert set(other.validation) != set(data.validation)


def test_the_lower_face_is_the_lower_half(folder: Path) -> None:
    data = load_folder(dataclasses.replace(RECIPE, region="lower"), folder)
    assert data.images[..., 2].min() == 255


def test_the_inverse_frequency_sampler_draws_classes_alike(folder: Path) -> None:
    data = load(RECIPE, folder)
    drawn = np.concatenate([data.draw(np.random.default_rng(seed), 1.0) for seed in range(60)])
    assert set(drawn) <= set(data.train)
    np.testing.assert_allclose(np.bincount(data.labels[drawn], minlength=7) / len(drawn), 1 / 7, atol=0.015)


def test_a_folder_without_the_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        load(RECIPE, tmp_path)
