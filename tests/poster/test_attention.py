"""Relevance maps come from places, and are what the definition says."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

import poster
from poster import attention
from poster.attention import AGAINST, DEFAULT, SOURCES, heatmap, relevance, sources
from poster.errors import CheckpointError


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
    maps = relevance(model, images, targets, "features")
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
    """Whatever the source, a map of POSTER has the side of a real grid of places; with an AdaFace head too, whose logits are cosines."""
    torch.manual_seed(0)
    model = poster.create_model("poster_small", head="adaface").eval()
    images = torch.randn(1, 3, 224, 224)
    sides = {source: [one.shape[-1] for one in relevance(model, images, torch.tensor([2]), source)] for source in sources(model) if source != "integrated"}
    assert sides == {"features": [56, 28, 14], "landmarks": [7], "attention": [7], "relevance": [14, 7]}


def test_poster_landmark_maps_by_hand() -> None:
    """What image queries read from landmark places over all blocks, and the landmark map itself, with hooks set here."""
    torch.manual_seed(0)
    model = poster.create_model("poster_small").eval()
    images = torch.randn(1, 3, 224, 224)
    kept: list[torch.Tensor] = []
    handles = [block.large.attn_landmark.attn_drop.register_forward_hook(lambda _m, _i, out: kept.append(out)) for block in model.blocks]
    handles.append(model.landmark_stream.register_forward_hook(lambda _m, _i, out: kept.append(out[2])))
    logit = model(images)[0, 2]
    for handle in handles:
        handle.remove()
    landmarks, *attention = [value.detach() * gradient.clamp_min(0) for value, gradient in zip(kept, torch.autograd.grad(logit, kept), strict=True)]
    keys = sum(one.mean(dim=1).sum(dim=1) for one in attention)[0, 1:]
    (drawn,) = relevance(model, images, torch.tensor([2]), "attention")
    torch.testing.assert_close(drawn.flatten(), keys, rtol=1e-3, atol=1e-7)
    (own,) = relevance(model, images, torch.tensor([2]), "landmarks")
    torch.testing.assert_close(own, landmarks.sum(dim=1).clamp_min(0), rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("source", SOURCES)
def test_a_heatmap_is_scaled_and_leaves_the_model_alone(nano: torch.nn.Module, source: str) -> None:
    images = torch.randn(3, 3, 48, 48)
    before, given = nano(images).detach(), images.clone()
    values = heatmap(nano, images, source=source)
    assert values.shape == (3, 48, 48) and not values.requires_grad
    assert values.amax(dim=(1, 2)).tolist() == pytest.approx([1, 1, 1])
    assert values.min() >= 0
    assert torch.equal(nano(images), before) and torch.equal(images, given) and not images.requires_grad
    assert all(not module._forward_hooks for module in nano.modules())
    assert all(parameter.grad is None for parameter in nano.parameters())


@pytest.mark.parametrize("source", SOURCES)
def test_every_picture_of_a_batch_is_explained_by_itself_and_every_class_apart(nano: torch.nn.Module, source: str) -> None:
    images = torch.randn(2, 3, 48, 48, generator=torch.Generator().manual_seed(1))
    together = heatmap(nano, images, torch.tensor([3, 5]), source)
    alone = heatmap(nano, images[1:], torch.tensor([5]), source)
    other = heatmap(nano, images[1:], torch.tensor([0]), source)
    torch.testing.assert_close(together[1:], alone, rtol=1e-3, atol=1e-4)
    assert float((alone - other).abs().max()) > 0.05
    predicted = heatmap(nano, images, nano(images).argmax(dim=1), source)
    torch.testing.assert_close(heatmap(nano, images, source=source), predicted)


def test_the_default_is_one_of_the_sources_and_reads_as_default(nano: torch.nn.Module) -> None:
    images = torch.randn(1, 3, 48, 48)
    assert torch.equal(heatmap(nano, images, source="default"), heatmap(nano, images, source=DEFAULT))
    assert torch.equal(heatmap(nano, images), heatmap(nano, images, source=DEFAULT))


class Linear(torch.nn.Module):
    """Two logits from the pixels by fixed weights: everything about it is known."""

    def __init__(self, weights: torch.Tensor) -> None:
        super().__init__()
        self.image_stream = torch.nn.Identity()
        self.weights = weights

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = (self.image_stream(x) * self.weights).sum(dim=(1, 2, 3))
        return torch.stack([first, -first], dim=1)


def test_integrated_gradients_of_a_linear_model_are_its_terms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sundararajan et al. 2017: the map's sum is the change of the logit (completeness); for a linear model each pixel is its own term."""
    weights = torch.randn(3, 32, 32, generator=torch.Generator().manual_seed(0))
    model = Linear(weights)
    monkeypatch.setattr(attention, "image_maps", lambda model: [(model.image_stream, lambda value: [value, value, value])])
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    start = gaussian_reference(images.numpy(), 4.0)
    terms = (weights.numpy() * (images.numpy() - start)).sum(axis=1)
    pixels, fine, middle = relevance(model, images, torch.tensor([0, 1]))
    np.testing.assert_allclose(fine.numpy(), terms * np.array([1, -1])[:, None, None], atol=1e-4)
    assert torch.equal(fine, middle)
    np.testing.assert_allclose(pixels.numpy(), gaussian_reference(fine.numpy(), 1.0), atol=1e-4)
    change = model(images)[[0, 1], [0, 1]] - model(torch.from_numpy(start))[[0, 1], [0, 1]]
    torch.testing.assert_close(fine.sum(dim=(1, 2)), change, rtol=1e-3, atol=1e-3)


def gaussian_reference(values: np.ndarray, sigma: float) -> np.ndarray:
    """A Gaussian with the weights beyond the edge left out, written with SciPy."""
    window = {"sigma": (0,) * (values.ndim - 2) + (sigma, sigma), "mode": "constant", "truncate": 40 / sigma}
    return (gaussian_filter(values.astype(np.float64), **window) / gaussian_filter(np.ones(values.shape), **window)).astype(np.float32)


def test_what_speaks_against_a_class_stays_below_what_speaks_for_it(nano: torch.nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    signed = torch.tensor([[[-2.0, -1.0, 0.0], [1.0, 2.0, 4.0], [0.5, -0.5, 3.0]]])
    monkeypatch.setattr(attention, "relevance", lambda *arguments: [signed])
    values = heatmap(nano, torch.zeros(1, 3, 3, 3))
    assert values.flatten().argsort().tolist() == signed.flatten().argsort().tolist()
    assert values.max() == 1 and values.min() == 0
    assert bool((values[signed < 0] < AGAINST).all()) and bool((values[signed > 0] > AGAINST).all())


def test_a_source_the_model_does_not_have_is_refused() -> None:
    with torch.device("meta"):
        model = poster.create_model("adaface_ir18", num_classes=7)
        bare = poster.create_model("adaface_ir18", num_classes=0)
    images = torch.zeros(1, 3, 112, 112, device="meta")
    with pytest.raises(CheckpointError, match="known are default, integrated, features$"):
        relevance(model, images, source="attention")
    with pytest.raises(CheckpointError, match="without an expression head"):
        relevance(bare, images)
    with pytest.raises(CheckpointError, match="no maps that are known"):
        relevance(torch.nn.Identity(), images)


def test_a_level_the_source_does_not_have_is_refused(nano: torch.nn.Module) -> None:
    with pytest.raises(CheckpointError, match="3 levels of 'features', counted from 0; there is no level 3"):
        heatmap(nano, torch.zeros(1, 3, 48, 48), source="features", level=3)
