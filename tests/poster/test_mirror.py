"""A model whose contract says so looks at a face and its mirror image, everywhere, and says the same of both."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import poster
from poster import attention
from poster.attention import SOURCES, heatmap, relevance
from poster.attention_rules import enlarged
from poster.contract import ModelContract
from poster.errors import CheckpointError
from poster.runtime import prepared
from poster.training.recipes import NANO_CONTRACT, RECIPES
from poster.training.start import network


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[nn.Module, nn.Module]:
    """The same weights opened with a contract that looks once, and with one that looks at the mirror image too."""
    torch.manual_seed(0)
    state = poster.create_model("posterpp_nano", num_classes=8).state_dict()
    models = []
    for mirror in (False, True):
        path = tmp_path_factory.mktemp("mirror") / "model.safetensors"
        save_file(state, path, metadata=NANO_CONTRACT.replace(mirror=mirror).to_metadata())
        models.append(poster.load_model(path))
    return models[0], models[1]


def pictures(seed: int = 1) -> torch.Tensor:
    return torch.randn(3, 3, 48, 48, generator=torch.Generator().manual_seed(seed))


def test_its_logits_are_the_mean_of_both_pictures_logits(pair: tuple[nn.Module, nn.Module]) -> None:
    once, twice = pair
    with torch.inference_mode():
        wanted = (once(pictures()) + once(pictures().flip(3))) / 2
        assert (wanted - once(pictures())).abs().max() > 1e-3
        torch.testing.assert_close(twice(pictures()), wanted, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(twice(pictures().flip(3)), twice(pictures()), rtol=1e-4, atol=1e-5)
        for runtime, dtype, within in (("eager", "float32", 1e-4), ("bf16", "bfloat16", 0.05)):
            torch.testing.assert_close(prepared(twice, runtime, dtype)(pictures())[0], wanted, rtol=0, atol=within)


def test_in_training_it_looks_once(pair: tuple[nn.Module, nn.Module]) -> None:
    seen: list[int] = []
    model = copy.deepcopy(pair[1])  # its norms will have seen a batch
    handle = model.image_stream.register_forward_hook(lambda module, inputs, output: seen.append(len(inputs[0])))
    with torch.no_grad():
        model.train()(pictures())
        model.eval()(pictures())
    handle.remove()
    assert seen == [3, 6]


@pytest.mark.parametrize("source", SOURCES)
def test_its_relevance_is_the_mean_of_what_either_look_found_where_it_looked(
    source: str, pair: tuple[nn.Module, nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    once, twice = pair
    targets = torch.tensor([1, 4, 6])
    levels = relevance(twice, pictures(), targets, source)
    monkeypatch.setattr(attention, "POINTS", attention.POINTS // 2)  # two looks need half as many each
    apart = zip(relevance(once, pictures(), targets, source), relevance(once, pictures().flip(3), targets, source), strict=True)
    for level, (straight, turned) in zip(levels, apart, strict=True):
        wanted = (enlarged(straight, 48) + enlarged(turned, 48).flip(2)) / 2
        np.testing.assert_allclose(level, wanted, atol=1e-4 * float(level.abs().max()))


@pytest.mark.parametrize("source", SOURCES)
def test_the_heatmap_of_a_mirrored_picture_is_the_mirrored_heatmap(source: str, pair: tuple[nn.Module, nn.Module]) -> None:
    targets = torch.tensor([1, 4, 6])
    straight, turned = (heatmap(pair[1], images, targets, source) for images in (pictures(), pictures().flip(3)))
    torch.testing.assert_close(turned.flip(2), straight, rtol=0, atol=1e-4)
    assert not torch.allclose(straight, straight.flip(2), atol=0.1)


def test_a_network_in_training_has_what_its_recipe_says() -> None:
    recipe = RECIPES["posterpp_nano"]
    assert [network(replace(recipe, contract=recipe.contract.replace(mirror=mirror))).mirror for mirror in (False, True)] == [False, True]


def test_only_true_and_false_are_taken() -> None:
    assert ModelContract.from_metadata(NANO_CONTRACT.replace(mirror=True).to_metadata()).mirror is True
    with pytest.raises(CheckpointError, match="mirror is 1, neither true nor false"):
        NANO_CONTRACT.replace(mirror=1)


def test_a_contract_from_before_looks_once() -> None:
    text = NANO_CONTRACT.to_metadata()["poster.contract"].replace('"mirror": false, ', "")
    assert "mirror" not in text and ModelContract.from_metadata({"poster.contract": text}).mirror is False
