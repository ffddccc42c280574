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
from poster.training.session import favour_rare, train
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


def test_rare_classes_gain_by_their_share():
    model = torch.nn.Module()
    model.head = torch.nn.Linear(4, 3)
    before = model.head.bias.detach().clone()
    votes = np.repeat(np.eye(3, dtype=np.float32), [70, 20, 10], axis=0)
    favour_rare(model, votes, 0.5)
    assert torch.allclose(model.head.bias - before, torch.tensor([-0.5 * np.log(p) for p in (0.7, 0.2, 0.1)], dtype=torch.float32))
    assert (model.head.bias - before).argmax() == 2


def test_a_cosine_head_has_nothing_to_adjust_and_that_is_said_before_the_training(tmp_path: Path):
    with pytest.raises(InputError, match="linear head"):
        train(RECIPE.override(["head.kind=adaface", "rare=0.2"]), tmp_path / "no-data", tmp_path / "out")
    assert not (tmp_path / "out").exists()
