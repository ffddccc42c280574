"""What a run begins with, and how its finished head is adjusted."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

import poster
from poster.errors import InputError
from poster.shipped import SHIPPED, model_path
from poster.training.recipes import RECIPES
from poster.training.session import train
from poster.training.start import trained

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
