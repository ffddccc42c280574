"""Chefer's rules against loops written out from the paper's equations."""

import numpy as np
import pytest
import torch

import poster
from poster.attention import relevance
from poster.attention_rules import enlarged, spread, through_blocks, through_cross_attention, weighted
from poster.attention_taps import values_and_gradients


def test_an_attention_map_counts_where_its_gradient_speaks_for_the_class() -> None:
    attention, gradient = torch.rand(2, 3, 4, 5), torch.randn(2, 3, 4, 5)
    expected = np.zeros((2, 4, 5))
    for n, h, q, k in np.ndindex(2, 3, 4, 5):
        expected[n, q, k] += max(0.0, float(attention[n, h, q, k] * gradient[n, h, q, k])) / 3
    np.testing.assert_allclose(weighted(attention, gradient).numpy(), expected, rtol=1e-5, atol=1e-7)


def test_relevance_through_two_blocks_is_the_product_of_what_they_mix() -> None:
    first, second = torch.rand(1, 4, 4), torch.rand(1, 4, 4)
    expected = (np.eye(4) + second[0].numpy()) @ (np.eye(4) + first[0].numpy())
    np.testing.assert_allclose(through_blocks([first, second])[0].numpy(), expected, rtol=1e-5)


def test_cross_attention_hands_relevance_from_a_query_to_the_keys_it_read() -> None:
    places = torch.tensor([[1.0, 0.0, 2.0]])
    attention = torch.tensor([[[0.0, 0.5, 0.0], [9.0, 9.0, 9.0], [0.25, 0.0, 0.25]]])
    image, landmark = through_cross_attention(places, attention)
    assert image.tolist() == [[1.5, 0.5, 2.5]]  # the second query is irrelevant, whatever it read
    assert landmark.tolist() == [[0.5, 0.0, 1.0]]


def test_spreading_keeps_the_total_of_an_even_map_and_the_place_of_a_peak() -> None:
    assert float(spread(torch.full((1, 3, 3), 2.0), 12).sum()) == pytest.approx(18)
    tokens = torch.zeros(1, 3, 3)
    tokens[0, 2, 1] = 1
    fine = spread(tokens, 12).view(12, 12)
    assert float(fine.sum()) == pytest.approx(1)
    assert (int(fine.argmax()) // 12, int(fine.argmax()) % 12) == (8, 4)


@pytest.mark.parametrize("name", ["posterpp_nano", "adaface_ir18"])
def test_a_place_of_a_map_lies_where_the_network_reads_it(name: str) -> None:
    """A dot in the picture moves the values of a map most where the map, enlarged, has its own dot: the gradient's centre of mass in the pixels."""
    torch.manual_seed(0)
    model = poster.create_model(name, num_classes=8).eval()
    side = 48 if name == "posterpp_nano" else 112
    stream = model.image_stream if name == "posterpp_nano" else model.trunk
    with torch.no_grad():
        for module in stream.modules():
            if isinstance(module, torch.nn.Conv2d):
                module.weight.fill_(1.0 / module.weight[0].numel())
    images = torch.rand(1, 3, side, side).requires_grad_()
    for one in stream(images)[:3]:
        place = one.shape[-1] // 2
        (gradient,) = torch.autograd.grad(one[0, :, place, place].sum(), images, retain_graph=True)
        read = gradient[0].sum(dim=0)
        rows = float((read.sum(dim=1) * torch.arange(side)).sum() / read.sum())
        dot = torch.zeros(1, one.shape[-1], one.shape[-1])
        dot[0, place, place] = 1
        drawn = enlarged(dot, side)[0]
        assert int(drawn.argmax()) // side == int(drawn.argmax()) % side == place * side // one.shape[-1]
        assert float((drawn.sum(dim=1) * torch.arange(side)).sum() / drawn.sum()) == pytest.approx(rows, abs=0.1 * side / one.shape[-1])


def test_the_whole_models_relevance_by_hand() -> None:
    """POSTER++ with everything taken from hooks set here and the paper's equations in NumPy."""
    torch.manual_seed(0)
    model = poster.create_model("posterpp_nano", num_classes=8).eval()
    images, targets = torch.randn(1, 3, 48, 48), torch.tensor([6])
    kept: dict[str, torch.Tensor] = {}
    modules = [(f"level {i}", level.attn.attn_drop) for i, level in enumerate(model.levels)]
    modules += [(f"block {i}", block.attn.attn_drop) for i, block in enumerate(model.blocks)]
    handles = [module.register_forward_hook(lambda _m, _i, out, name=name: kept.update({name: out})) for name, module in modules]
    logit = model(images)[0, 6]
    gradients = dict(zip(kept, torch.autograd.grad(logit, list(kept.values())), strict=True))
    for handle in handles:
        handle.remove()
    bar = {name: (value * gradients[name]).clamp_min(0).mean(dim=1)[0].detach().double().numpy() for name, value in kept.items()}
    tokens = np.eye(28)
    for name in ("block 0", "block 1"):
        tokens = tokens + bar[name] @ tokens
    steering = relevance(model, images, targets, "steering")
    for level, side in enumerate((12, 6, 3)):
        block = torch.from_numpy(tokens[0, 1 + 9 * level : 10 + 9 * level].reshape(1, 3, 3))
        places = spread(block, side)[0].numpy()
        expected = places * bar[f"level {level}"].sum(axis=1)
        np.testing.assert_allclose(steering[level].flatten().double().numpy(), expected, rtol=2e-3, atol=1e-12)


def test_the_images_relevance_is_nothing_where_the_transformer_reads_nothing() -> None:
    """The classes' token sees no token of a level: that level's map vanishes, the others do not."""
    torch.manual_seed(0)
    model = poster.create_model("posterpp_nano", num_classes=8).eval()
    images, targets = torch.randn(1, 3, 48, 48), torch.tensor([2])

    def blind(_module: torch.nn.Module, _inputs: object, attention: torch.Tensor) -> torch.Tensor:
        mask = torch.ones(28)
        mask[1:10] = 0
        mask_back = torch.ones(28, 28)
        mask_back[1:10, :] = 0  # nor do they get anything
        return attention * mask * mask_back

    handles = [block.attn.attn_drop.register_forward_hook(blind, prepend=True) for block in model.blocks]
    first, second, third = relevance(model, images, targets, "relevance")
    for handle in handles:
        handle.remove()
    assert float(first.max()) == 0 and float(second.max()) > 0 and float(third.max()) > 0


def test_the_images_and_the_last_gradient_come_back_too() -> None:
    model = torch.nn.Linear(4, 3)
    x = torch.randn(2, 4)
    values, gradients = values_and_gradients(model, x, torch.tensor([0, 2]), [])
    assert torch.equal(values[0], x)
    torch.testing.assert_close(gradients[0], model.weight[[0, 2]].detach())
