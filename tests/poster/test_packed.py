"""Packed layers compute what the plain ones do, and hold their weights once."""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

import poster
from poster import packed as module
from poster.packed import PackedConv, PackedLinear, packed, possible
from poster.runtime import prepared
from poster.winograd import WinogradConv

pytestmark = pytest.mark.skipif(not possible(), reason="no oneDNN for x86 in this build of torch")


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEAST_WEIGHTS", 1)


LAYERS = {
    "conv": (lambda: nn.Conv2d(16, 24, 3, 2, 1), (16, 9, 9)),
    "without bias": (lambda: nn.Conv2d(16, 24, 1, bias=False), (16, 9, 9)),
    "in groups": (lambda: nn.Conv2d(16, 16, 3, 1, 1, groups=16), (16, 9, 9)),
    "dilated": (lambda: nn.Conv2d(16, 24, 3, padding=2, dilation=2), (16, 9, 9)),
    "linear": (lambda: nn.Linear(24, 40), (7, 24)),
    "linear without bias": (lambda: nn.Linear(24, 40, bias=False), (24,)),
}


@pytest.mark.parametrize("dtype", module._dtypes() if possible() else [])
@pytest.mark.parametrize("name", LAYERS)
def test_the_same_for_every_batch(name: str, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    make, shape = LAYERS[name]
    plain = make().to(dtype)
    kept, reference = plain.weight.detach().clone(), copy.deepcopy(plain).float()
    (layer,) = packed(nn.Sequential(plain))
    assert isinstance(layer, PackedConv | PackedLinear)
    near = 2e-2 if dtype == torch.bfloat16 else 1e-5
    with torch.inference_mode():
        for number in (1, 5, 2):
            x = torch.randn(number, *shape).to(dtype)
            torch.testing.assert_close(layer(x).float(), reference(x.float()), rtol=near, atol=near)
    assert torch.equal(layer.weight, kept) and layer._plain is None


def test_threads_may_lay_at_once() -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(64, 64, 3, 1, 1)
    x = torch.randn(1, 64, 14, 14)
    with torch.no_grad():
        expected = conv(x)
    for _ in range(20):
        laid = PackedConv(conv)

        def call(_: int, laid: PackedConv = laid) -> torch.Tensor:
            with torch.inference_mode():
                return laid(x)

        with ThreadPoolExecutor(4) as pool:
            for found in pool.map(call, range(8)):
                torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_the_fast_convolution_of_a_large_batch_still_finds_its_weights() -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(128, 128, 3, 1, 1)
    reference = copy.deepcopy(conv)
    (layer,) = packed(nn.Sequential(WinogradConv(conv)))
    assert isinstance(layer.conv, PackedConv)
    with torch.inference_mode():
        for number in (1, 16):
            images = torch.randn(number, 128, 28, 28)
            torch.testing.assert_close(layer(images), reference(images), rtol=1e-4, atol=1e-4)
    assert layer.kernels is not None


def test_what_it_does_not_know_stays() -> None:
    odd = nn.Sequential(nn.Conv2d(3, 4, 3, padding="same"), nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"), nn.Linear(4, 4).double(), nn.ReLU())
    kept = list(odd)
    assert list(packed(odd)) == kept


def test_small_layers_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEAST_WEIGHTS", 4 * 4 + 1)
    assert [type(one) for one in packed(nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 5)))] == [nn.Linear, PackedLinear]


def test_bfloat16_stays_plain_where_the_processor_has_too_few_instructions_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_dtypes", lambda: (torch.float32,))
    layers = packed(nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4).to(torch.bfloat16)))
    assert [type(one) for one in layers] == [PackedLinear, nn.Linear]


def test_as_it_is_where_that_is_not_possible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "possible", lambda: False)
    assert type(packed(nn.Sequential(nn.Linear(4, 4)))[0]) is nn.Linear


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_every_runtime_of_the_cpu_with_everything_packed(dtype: str) -> None:
    torch.manual_seed(0)
    model = poster.create_model("posterpp_nano", num_classes=7).eval()
    images = torch.randn(17, 3, 48, 48)
    with torch.inference_mode():
        expected = model(images)
    for name in ("eager", "bf16") if dtype == "bfloat16" else ("eager",):
        for some in (images, images[:1]):
            found = prepared(model, name, dtype)(some)[0]
            error = float((found - expected[: len(some)]).abs().max() / expected.std())
            assert error < (0.1 if dtype == "bfloat16" else 1e-4)
