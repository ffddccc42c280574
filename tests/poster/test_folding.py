"""Linear steps made one: what the two gave, at the borders too."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from poster.folding import composed, halves, shifted


def norm(channels: int) -> nn.BatchNorm2d:
    made = nn.BatchNorm2d(channels).eval()
    for value in (made.weight, made.bias, made.running_mean):
        nn.init.normal_(value)
    nn.init.uniform_(made.running_var, 0.2, 2.0)
    return made


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("stride", "sides"), [(1, (7, 9)), (2, (8, 6)), (1, (1, 1))])
def test_a_norm_before_a_padded_convolution(bias: bool, stride: int, sides: tuple[int, int]) -> None:
    torch.manual_seed(0)
    before, conv = norm(5), nn.Conv2d(5, 4, 3, stride, 1, bias=bias)
    kept = conv.weight.clone()
    one = shifted(before, conv)
    for number in (3, 1):
        images = torch.randn(number, 5, *sides)
        torch.testing.assert_close(one(images), conv(before(images)), rtol=1e-5, atol=1e-5)
    assert torch.equal(conv.weight, kept)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("sides", [(28, 28), (12, 8), (4, 4)])
def test_two_convolutions_that_halve_are_one_that_quarters(bias: bool, sides: tuple[int, int]) -> None:
    torch.manual_seed(0)
    first, second = nn.Conv2d(3, 6, 3, 2, 1, bias=bias), nn.Conv2d(6, 5, 3, 2, 1, bias=bias)
    images = torch.randn(2, 3, *sides)
    one = composed(first, second)
    expected = second(first(images))
    torch.testing.assert_close(one(images), expected, rtol=1e-5, atol=1e-5)
    assert one(images).shape == (2, 5, sides[0] // 4, sides[1] // 4) and sum(isinstance(each, nn.Conv2d) for each in one.modules()) == 1


def test_the_map_is_made_once_a_size() -> None:
    one = shifted(norm(2), nn.Conv2d(2, 2, 3, 1, 1))
    for side in (4, 4, 6):
        one(torch.randn(1, 2, side, side))
    assert len(one.maps) == 2


def test_what_halves() -> None:
    assert halves(nn.Conv2d(2, 3, 3, 2, 1))
    others = [
        nn.Conv2d(2, 3, 3, 1, 1),
        nn.Conv2d(2, 3, 5, 2, 1),
        nn.Conv2d(2, 4, 3, 2, 1, groups=2),
        nn.Conv2d(2, 3, 3, 2, 1, padding_mode="reflect"),
        nn.Identity(),
    ]
    assert not any(map(halves, others))
