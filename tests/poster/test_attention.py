"""Relevance maps come from places, and are what the definition says."""

import pytest
import torch

import poster
from poster.attention import heatmap, relevance


@pytest.fixture(scope="module")
def nano() -> torch.nn.Module:
    torch.manual_seed(0)
    return poster.create_model("posterpp_nano", num_classes=8).eval()


def test_features_are_the_positive_gradient_times_the_map() -> None:
    """Against the definition written out by hand on a network whose head can be differentiated apart: AdaFace IR-18 with a linear head."""
    torch.manual_seed(0)
    model = poster.create_model("adaface_ir18", num_classes=7).eval()
    images = torch.randn(2, 3, 112, 112)
    targets = torch.tensor([4, 1])
    last = model.trunk(images)[-1].detach().requires_grad_()
    logits = model.head(model.neck(last))
    (gradient,) = torch.autograd.grad(logits[0, 4] + logits[1, 1], last)
    expected = (gradient.clamp_min(0) * last.detach()).sum(dim=1).clamp_min(0)
    maps = relevance(model, images, targets)
    assert [tuple(level.shape) for level in maps] == [(2, 28, 28), (2, 14, 14), (2, 7, 7)]
    torch.testing.assert_close(maps[-1], expected, rtol=1e-4, atol=1e-7)


def test_posterpp_attention_weights_every_level_by_its_gradient(nano: torch.nn.Module) -> None:
    images = torch.randn(2, 3, 48, 48)
    maps = relevance(nano, images, torch.tensor([1, 2]), "attention")
    assert [tuple(level.shape) for level in maps] == [(2, 12, 12), (2, 6, 6), (2, 3, 3)]
    assert all(bool((level >= 0).all()) and bool((level.amax(dim=(1, 2)) > 0).all()) for level in maps)
    # A key that no query may attend to has no relevance: mask the first place of the first level out through its bias.
    attn = nano.levels[0].attn
    index = attn.bias_index.clone()
    extra = attn.bias_table.shape[0]
    table = torch.cat([attn.bias_table.data, torch.full((1, attn.heads), -1e4)])
    saved = attn.bias_table
    attn.bias_table = torch.nn.Parameter(table)
    attn.bias_index = index.clone()
    attn.bias_index[:, 0] = extra
    try:
        masked = relevance(nano, images, torch.tensor([1, 2]), "attention")[0]
    finally:
        attn.bias_table, attn.bias_index = saved, index
    assert float(masked[:, 0, 0].max()) == 0.0
    assert float(maps[0][:, 0, 0].min()) > 0.0


def test_poster_draws_landmark_places_and_spatial_maps_only() -> None:
    torch.manual_seed(0)
    model = poster.create_model("poster_small").eval()
    images = torch.randn(1, 3, 224, 224)
    assert [tuple(level.shape) for level in relevance(model, images)] == [(1, 56, 56), (1, 28, 28), (1, 14, 14)]
    assert [tuple(level.shape) for level in relevance(model, images, source="attention")] == [(1, 7, 7)]


def test_heatmap_is_scaled_and_leaves_the_model_alone(nano: torch.nn.Module) -> None:
    images = torch.randn(3, 3, 48, 48)
    before = nano(images).detach()
    values = heatmap(nano, images.clone())
    assert values.shape == (3, 48, 48)
    assert values.amax(dim=(1, 2)).tolist() == pytest.approx([1, 1, 1])
    assert values.min() >= 0
    assert torch.equal(nano(images), before)
    assert all(not module._forward_hooks for module in nano.modules())
    assert all(parameter.grad is None for parameter in nano.parameters())


def test_a_source_the_model_does_not_have_is_refused() -> None:
    with torch.device("meta"):
        model = poster.create_model("adaface_ir18", num_classes=7)
    with pytest.raises(ValueError, match="attention for POSTER"):
        relevance(model, torch.zeros(1, 3, 112, 112, device="meta"), source="attention")
