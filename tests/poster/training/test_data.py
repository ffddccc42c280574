"""Training data: the held-out split, the halves of FERPlus's, the sampler, the lower face."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from poster.data.ferplus import FerPlus
from poster.errors import DataError, InputError
from poster.training import data as data_module
from poster.training.data import load, load_ferplus, load_folder
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


@pytest.fixture
def ferplus(monkeypatch: pytest.MonkeyPatch) -> FerPlus:
    """70 Training, 60 PublicTest and 50 PrivateTest rows; the classes in blocks of four rows, every tenth row without a majority.

    Pixel for pixel PublicTest's row 73 is its row 74, and its row 77 stands in PrivateTest.
    """
    n = 180
    images = np.random.default_rng(4).integers(0, 256, (n, 48, 48), dtype=np.uint8)
    votes = np.zeros((n, 10), dtype=np.uint8)
    votes[np.arange(n), np.arange(n) // 4 % 4] = 10
    votes[::10, :8] = [5, 5, 0, 0, 0, 0, 0, 0]
    images[74], images[140] = images[73], images[77]
    made = FerPlus(images, votes, np.repeat(["Training", "PublicTest", "PrivateTest"], [70, 60, 50]))
    monkeypatch.setattr(data_module, "read_ferplus", lambda folder: made)
    return made


def test_of_two_halves_of_publictest_each_chooses_for_a_run_that_learns_from_the_other(ferplus: FerPlus) -> None:
    public, private = np.arange(70, 130), np.arange(130, 180)
    whole, first, second = (load_ferplus(Path(), half=half) for half in (0, 1, 2))
    assert whole.train.tolist() == list(range(70)) and whole.split == "PublicTest"
    assert sorted([*first.validation, *second.validation]) == whole.validation.tolist() == [row for row in public if row % 10]
    counts = [np.bincount(half.labels[half.validation], minlength=4) for half in (first, second)]
    assert abs(counts[0] - counts[1]).max() <= 1 and min(counts[0]) > 5
    for half, other in ((first, second), (second, first)):
        seen = {half.images[row].tobytes() for row in half.train}
        assert not seen & {half.images[row].tobytes() for row in [*half.validation, *private]}
        assert set(half.train) == {*range(70), *public[::10], *other.validation} - {73, 74, 77}  # which stand in the half that chooses or in PrivateTest
    assert "half 1 of 2" in first.split and "half 2 of 2" in second.split


def test_a_half_that_is_none_is_refused(folder: Path, ferplus: FerPlus) -> None:
    with pytest.raises(InputError, match="half=3 is no half of PublicTest; give 1 or 2"):
        load(RECIPES["posterpp_nano"].override(["half=3"]), folder)
    with pytest.raises(InputError, match="half=1 is for FERPlus; of raf-db a tenth"):
        load(RECIPE.override(["half=1"]), folder)


def test_a_folder_without_the_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        load(RECIPE, tmp_path)
