"""What a run begins with, and how its finished head is adjusted."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import poster
from poster.errors import InputError
from poster.shipped import SHIPPED, model_path
from poster.training import session
from poster.training.data import TrainingData
from poster.training.recipe import Recipe
from poster.training.recipes import RECIPES
from poster.training.session import train
from poster.training.start import trained
from tests.poster.training.made_up import TINY, bright_eighths

RECIPE = RECIPES["posterpp_nano"]


def test_a_run_goes_on_from_a_trained_model():
    model, shipped = trained(RECIPE, SHIPPED), poster.load_model(model_path(SHIPPED))
    images = torch.randn(2, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    assert torch.equal(model.eval()(images), shipped(images))


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
        trained(recipe, SHIPPED)


def test_a_cosine_head_has_nothing_to_adjust_and_that_is_said_before_the_training(tmp_path: Path):
    with pytest.raises(InputError, match="linear head"):
        train(RECIPE.override(["head.kind=adaface", "rare_cost=0.01"]), tmp_path / "no-data", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("option", ["teacher", "backbone"])
def test_a_trained_model_brings_its_streams_so_others_are_refused(option: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--start takes both streams from posterpp_nano; leave --teacher and --backbone out"):
        train(RECIPE, tmp_path / "no-data", tmp_path / "out", start=SHIPPED, **{option: tmp_path / "file.pth"})
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
        ({"start": "model.safetensors"}, "freeze_landmarks=true", True),
        ({"start": "model.safetensors"}, "freeze_landmarks=false", False),
        ({"teacher": Path("teacher.pth")}, "freeze_landmarks=true", True),
        ({}, "freeze_landmarks=true", False),
    ],
)
def test_a_landmark_stream_is_held_where_something_taught_it(
    given: dict[str, Any], override: str, held: bool, begins: list[bool], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recipe = RECIPES["posterpp_ferplus"].override([override])
    with pytest.raises(Began):
        train(recipe, tmp_path, tmp_path / "out", **given)
    assert ("starts from random weights" in caplog.text) == (not given)
    with pytest.raises(Began):
        train(recipe, tmp_path, tmp_path / "out", resume=True)  # whatever taught it need not be said again
    assert begins == [held, held]
