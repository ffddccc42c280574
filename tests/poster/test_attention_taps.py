"""Listening inside a model: what is heard, and how far a pass goes for it."""

from __future__ import annotations

import pytest
import torch

import poster
from poster.attention_taps import image_maps, values, values_and_gradients


@pytest.mark.parametrize(("name", "options", "side"), [("posterpp_nano", {}, 48), ("poster_small", {}, 224), ("adaface_ir18", {"num_classes": 7}, 112)])
def test_a_pass_for_the_image_streams_maps_ends_with_them(name: str, options: dict[str, int], side: int) -> None:
    torch.manual_seed(0)
    model = poster.create_model(name, **options).eval()
    images = torch.randn(1, 3, side, side)
    later = [model.head, *(getattr(model, part) for part in ("landmark_stream", "neck", "blocks") if hasattr(model, part))]
    asked: list[torch.nn.Module] = []
    for module in later:
        module.register_forward_hook(lambda module, _inputs, _output: asked.append(module))
    short = values(model, images, image_maps(model))
    assert not asked and len(short) == 4 and short[-1] is images
    whole, _ = values_and_gradients(model, images, torch.tensor([1]), image_maps(model))
    assert asked
    for value, reference in zip(short, whole, strict=True):
        torch.testing.assert_close(value, reference)
