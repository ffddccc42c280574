"""A contract promises only what can be done with it."""

import numpy as np
import pytest

from poster.contract import ModelContract
from poster.errors import CheckpointError
from poster.face import Face, crop_face
from poster.labels import ORDERS


@pytest.mark.parametrize("crop", [-0.5, -0.6, 2.01, float("nan")])
def test_margins_that_cannot_be_cut_are_refused(crop):
    with pytest.raises(CheckpointError, match="crop"):
        ModelContract("posterpp", ORDERS["raf-db"], crop=crop)


@pytest.mark.parametrize("crop", [-0.499, 0.0, 2.0])
def test_every_margin_a_contract_allows_can_be_cut(crop):
    contract = ModelContract("posterpp", ORDERS["raf-db"], crop=crop)
    photo = np.random.default_rng(0).integers(0, 256, (90, 80, 3), dtype=np.uint8)
    assert crop_face(photo, Face((10.0, 10.0, 60.0, 70.0)), contract.crop, 48)[0].shape == (48, 48, 3)
