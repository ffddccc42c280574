"""The fast convolution is the convolution: against torch's own in float64, at any size, with rounding errors that the usual points would double."""

import threading

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from poster import winograd
from poster.winograd import INPUT, KERNEL, OUTPUT, WinogradConv, fits


def wide(channels: int = 128, out_channels: int = 128, bias: bool = True) -> nn.Conv2d:
    torch.manual_seed(0)
    return nn.Conv2d(channels, out_channels, 3, padding=1, bias=bias).requires_grad_(False)


@settings(max_examples=25, deadline=None)
@given(n=st.integers(1, 9), height=st.integers(1, 30), width=st.integers(1, 30), bias=st.booleans(), out_channels=st.sampled_from([128, 160]))
def test_the_same_function_at_every_size(n: int, height: int, width: int, bias: bool, out_channels: int) -> None:
    conv = wide(128, out_channels, bias)
    x = torch.randn(n, 128, height, width)
    found = WinogradConv(conv)(x)
    exact = conv.double()(x.double())
    torch.testing.assert_close(found.double(), exact, rtol=0, atol=2e-5)  # of values around 0.6


def test_large_batches_take_the_fast_way_and_small_ones_or_small_maps_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    monkeypatch.setattr(winograd, "_convolved", lambda padded, kernels: taken.append(len(padded)) or torch.zeros(len(padded), 16, 16, 128))
    layer = WinogradConv(wide())
    layer(torch.randn(8, 128, 14, 14))
    assert taken == [4, 4]  # 16 tiles a picture, 64 at a time
    layer(torch.randn(3, 128, 14, 14))
    layer(torch.randn(99, 128, 6, 6))  # four tiles of 36 products for 36 of 9
    assert taken == [4, 4]


def test_the_points_keep_the_rounding_errors_small(monkeypatch: pytest.MonkeyPatch) -> None:
    conv, x = wide(256, 256), torch.randn(4, 256, 14, 14)
    exact = F.conv2d(x.double(), conv.weight.double(), conv.bias.double(), padding=1)

    def error() -> float:
        return float((WinogradConv(conv)(x) - exact).square().mean().sqrt() / exact.std())

    ours = error()
    usual = winograd.transforms((0.0, 1.0, -1.0, 2.0, -2.0))
    for name, matrix in zip(("_INPUT", "KERNEL", "_OUTPUT"), (usual[0].float(), usual[1], usual[2].float()), strict=True):
        monkeypatch.setattr(winograd, name, matrix)
    assert ours < 2e-6 and error() > 1.5 * ours


def test_the_transforms_make_a_convolution() -> None:
    """Output (kernel * input) of one tile is the sum of products at its sixteen places, exactly."""
    generator = torch.Generator().manual_seed(3)
    tile, kernel = (torch.randint(-9, 9, (side, side), generator=generator).double() for side in (6, 3))
    ours = OUTPUT @ ((INPUT @ tile.flatten()) * (KERNEL @ kernel.flatten()))
    torch.testing.assert_close(ours.view(4, 4), F.conv2d(tile[None, None], kernel[None, None])[0, 0], rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    "other",
    [
        nn.Conv2d(128, 128, 3),
        nn.Conv2d(128, 128, 3, padding=1, stride=2),
        nn.Conv2d(128, 128, 3, padding=1, groups=128),
        nn.Conv2d(128, 128, 3, padding=2, dilation=2),
        nn.Conv2d(128, 128, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(128, 128, (3, 1), padding=(1, 0)),
        nn.Conv2d(64, 128, 3, padding=1),
        nn.Conv2d(128, 128, 3, padding=1).bfloat16(),
        nn.Linear(128, 128),
    ],
)
def test_others_are_left_alone(other: nn.Module) -> None:
    assert fits(wide()) and not fits(other)


def test_threads_do_not_write_over_each_other() -> None:
    layer, x = WinogradConv(wide()), torch.randn(2, 24, 128, 16, 16)
    with torch.inference_mode():
        alone = [layer(part) for part in x]
    together: list[list[torch.Tensor]] = [[], []]
    start = threading.Barrier(2)

    def run(index: int) -> None:
        start.wait()
        with torch.inference_mode():
            together[index] = [layer(x[index]) for _ in range(5)]

    threads = [threading.Thread(target=run, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index in range(2):
        for answer in together[index]:
            torch.testing.assert_close(answer, alone[index], rtol=0, atol=1e-5)
    torch.testing.assert_close(layer(x[0]), alone[0], rtol=0, atol=1e-5)  # outside of inference mode too
