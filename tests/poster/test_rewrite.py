"""The rewritten network is the same function: every output against the network as it was written."""

import pytest
import torch
from torch import nn

import poster
from poster.poster_v2 import WindowCrossAttention
from poster.rewrite import HeldPReLU, rewritten
from poster.runtime import both
from poster.winograd import WinogradConv


def lively(name: str, **options: object) -> nn.Module:
    """A model in which nothing is neutral: BatchNorm statistics, position biases, layer scales and class tokens as after training."""
    torch.manual_seed(0)
    model = poster.create_model(name, **options).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.1)
        if isinstance(module, WindowCrossAttention):
            nn.init.normal_(module.bias_table)
    for key, parameter in model.named_parameters():
        if "gamma" in key or "cls_token" in key:
            nn.init.normal_(parameter)
    return model


@pytest.mark.parametrize("name", ["poster_small", "poster_small_affectnet", "posterpp", "posterpp_nano", "adaface_ir18"])
def test_the_same_function(name):
    model = lively(name, num_classes=7)
    side = 112 if name == "adaface_ir18" else model.img_size
    images = torch.randn(2, 3, side, side)
    with torch.inference_mode():
        expected, found = both(model, images), both(rewritten(model), images)
    for reference, value in zip(expected, found, strict=True):
        torch.testing.assert_close(value, reference, rtol=1e-4, atol=1e-4 * float(reference.std()))


def test_large_batches_take_the_fast_convolutions_and_say_the_same():
    model = lively("adaface_ir18", num_classes=7)
    fast, images = rewritten(model, winograd=True), torch.randn(16, 3, 112, 112)
    with torch.inference_mode():
        for reference, value in zip(both(model, images), both(fast, images), strict=True):
            torch.testing.assert_close(value, reference, rtol=1e-4, atol=1e-4 * float(reference.std()))
    wide = [module for module in fast.modules() if isinstance(module, WinogradConv)]
    assert len(wide) == 8 and all(module.kernels is not None for module in wide)
    assert not any(isinstance(module, WinogradConv) for module in rewritten(model).modules())


def test_the_work_is_less():
    model = lively("posterpp_nano")
    before = sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    after = sum(isinstance(module, nn.BatchNorm2d) for module in rewritten(model).modules())
    assert after == 0 < before == sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())


def test_the_model_itself_stays_as_it_was():
    model = lively("posterpp_nano")
    kept = {name: value.clone() for name, value in model.state_dict().items()}
    rewritten(model)
    assert list(model.state_dict()) == list(kept)
    assert all(torch.equal(value, kept[name]) for name, value in model.state_dict().items())
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_a_foreign_module_is_copied_as_it_is():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 36, 7)).eval()
    images = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(rewritten(model)(images), model(images))


@pytest.mark.parametrize("shape", [(2, 5, 4, 4), (3, 5)])
def test_a_held_prelu_has_the_values_and_gradients_of_pytorchs(shape):
    torch.manual_seed(0)
    act = nn.PReLU(5)
    act.weight.data = torch.tensor([-0.5, 0.0, 0.25, 1.0, 1.5])
    images, weights = torch.randn(shape), torch.randn(shape)
    drawn = []
    for module in (act, HeldPReLU(act)):
        x = images.clone().requires_grad_()
        value = module(x)
        drawn.append((value.detach(), module(images), *torch.autograd.grad((value * weights).sum(), x)))
    for reference, value in zip(*drawn, strict=True):
        assert torch.equal(value, reference)


def test_what_is_for_explaining_holds_every_slope():
    model = lively("posterpp_nano")
    for explained, slopes in ((False, nn.PReLU), (True, HeldPReLU)):
        found = {type(module) for module in rewritten(model, explained=explained).modules() if type(module) in (nn.PReLU, HeldPReLU)}
        assert found == {slopes}
