"""What a run begins with, and how its finished head is adjusted."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import poster
from poster.digest import file_sha256
from poster.errors import InputError
from poster.shipped import SHIPPED, model_path
from poster.training import session
from poster.training.ancestry import Ancestry
from poster.training.data import TrainingData
from poster.training.recipe import Recipe
from poster.training.recipes import RECIPES
from poster.training.session import train
from poster.training.start import trained
from tests.poster.training.made_up import TINY, bright_eighths

RECIPE = RECIPES["posterpp_nano"]


def test_a_run_goes_on_from_a_trained_model():
    model, shipped = trained(RECIPE, [SHIPPED]), poster.load_model(model_path(SHIPPED))
    images = torch.randn(2, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    assert (model.mirror, shipped.mirror) == (RECIPE.contract.mirror, True)  # which is the recipe's to say
    assert torch.equal(model.eval().single(images), shipped.single(images))


@pytest.mark.parametrize(
    "recipe",
    [
        RECIPE.override(["head.kind=adaface"]),
        dataclasses.replace(RECIPE, contract=RECIPE.contract.replace(labels=RECIPE.contract.labels[::-1])),
        RECIPES["posterpp_raf_db"],
    ],
)
def test_another_head_order_of_labels_or_architecture_is_refused(recipe: object):
    with pytest.raises(InputError, match=f"{SHIPPED} cannot start .*posterpp_nano with a linear head for neutral, happiness.*the recipe needs"):
        trained(recipe, [SHIPPED])


@pytest.fixture(scope="module")
def brighter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped model with other weights."""
    state = load_file(model_path(SHIPPED))
    file = tmp_path_factory.mktemp("brighter") / "model.safetensors"
    save_file({key: value * 1.5 if value.is_floating_point() else value for key, value in state.items()}, file, metadata=RECIPE.contract.to_metadata())
    return file


def mean(*files: Path) -> dict[str, torch.Tensor]:
    """In float64, of the weights of those files."""
    states = [load_file(file) for file in files]
    return {key: sum(state[key].double() for state in states) / len(states) for key, value in states[0].items() if value.is_floating_point()}


def test_of_several_starts_the_weights_are_averaged(brighter: Path) -> None:
    model = trained(RECIPE, [SHIPPED, str(brighter), str(brighter)]).state_dict()
    for key, value in mean(model_path(SHIPPED), brighter, brighter).items():
        torch.testing.assert_close(model[key].double(), value, rtol=1e-5, atol=1e-7)


def test_one_of_several_that_means_other_labels_is_refused(brighter: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    save_file(load_file(brighter), other, metadata=RECIPE.contract.replace(labels=RECIPE.contract.labels[::-1]).to_metadata())
    with pytest.raises(InputError, match="other.safetensors cannot start posterpp_nano: it is .* for contempt, fear"):
        trained(RECIPE, [SHIPPED, str(other)])


def test_a_mean_alone_is_a_run_without_an_epoch_that_says_what_it_was_made_from(brighter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images, labels = bright_eighths(16)
    data = TrainingData(images, np.eye(8, dtype=np.float32)[labels], labels, np.arange(8), np.arange(8, 16))
    monkeypatch.setattr(session, "load", lambda recipe, folder: data)
    out = tmp_path / "out"
    made = Path(train(RECIPES["posterpp_nano_mean"].override(["rare_cost=0"]), tmp_path, out, start=[SHIPPED, str(brighter)])["file"])
    written = load_file(made)
    for key, value in mean(model_path(SHIPPED), brighter).items():
        torch.testing.assert_close(written[key].double(), value, rtol=1e-3, atol=1e-6)  # float16
    assert Ancestry.read(out / "ancestry.json") == Ancestry(start=(file_sha256(model_path(SHIPPED)), file_sha256(brighter)), weights=file_sha256(made))
    assert not (out / "log.csv").exists()


def test_a_run_without_an_epoch_and_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="posterpp_nano_mean with epochs=0 trains nothing: give the trained models"):
        train(RECIPES["posterpp_nano_mean"], tmp_path / "no-data", tmp_path / "out")


@pytest.mark.parametrize("cost", ["rare_cost", "bias_cost"])
def test_a_cosine_head_has_nothing_to_adjust_and_that_is_said_before_the_training(cost: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"{cost}=0.01 is for the linear head"):
        train(RECIPE.override(["head.kind=adaface", f"{cost}=0.01"]), tmp_path / "no-data", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("option", ["teacher", "backbone"])
def test_a_trained_model_brings_its_streams_so_others_are_refused(option: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--start takes both streams from posterpp_nano; leave --teacher and --backbone out"):
        train(RECIPE, tmp_path / "no-data", tmp_path / "out", start=[SHIPPED], **{option: tmp_path / "file.pth"})
    assert not (tmp_path / "out").exists()


class Began(Exception):
    """Raised where the loop would begin: what comes before it is tested."""


@pytest.fixture
def begins(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Sessions of a full-size recipe around a tiny network; one entry a session: is the landmark stream held?"""
    held: list[bool] = []
    images, labels = bright_eighths(16)
    data = TrainingData(images, np.eye(8, dtype=np.float32)[labels], labels, np.arange(8), np.arange(8, 16))

    def loop(_model: object, _contract: object, _data: object, recipe: Recipe, *_rest: object) -> None:
        held.append(recipe.freeze_landmarks)
        raise Began

    monkeypatch.setattr(session, "load", lambda recipe, folder: data)
    monkeypatch.setattr(session.loop, "train", loop)
    for name in ("build", "trained", "network"):
        monkeypatch.setattr(session, name, lambda *_: poster.create_model("posterpp_nano", num_classes=8, **TINY))
    return held


@pytest.mark.parametrize(
    ("given", "override", "held"),
    [
        ({"start": ["model.safetensors"]}, "freeze_landmarks=true", True),
        ({"start": ["model.safetensors"]}, "freeze_landmarks=false", False),
        ({"teacher": Path("teacher.pth")}, "freeze_landmarks=true", True),
        ({}, "freeze_landmarks=true", False),
    ],
)
def test_a_landmark_stream_is_held_where_something_taught_it(
    given: dict[str, Any], override: str, held: bool, begins: list[bool], tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("model.safetensors", "teacher.pth"):
        Path(name).touch()
    recipe = RECIPES["posterpp_ferplus"].override([override])
    with pytest.raises(Began):
        train(recipe, tmp_path, tmp_path / "out", **given)
    assert ("starts from random weights" in caplog.text) == (not given)
    with pytest.raises(Began):
        train(recipe, tmp_path, tmp_path / "out", resume=True)  # whatever taught it need not be said again
    assert begins == [held, held]
