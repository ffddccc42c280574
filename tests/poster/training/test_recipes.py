"""Every recipe names things that exist, and carries the figures of the official scripts."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import poster
from poster.errors import InputError
from poster.heads import AdaFaceHead
from poster.labels import ORDERS
from poster.training.faces import FACES
from poster.training.learner import Learner
from poster.training.loop import save_recipe
from poster.training.recipe import Augmentation, Head, Recipe
from poster.training.recipes import RECIPES
from poster.training.schedule import build_optimizer, learning_rate

SMALL = {"depths": (1, 1, 1), "channels": (8, 16, 32), "stem": 8, "landmark_scale": 0.125, "heads": (1, 1, 1), "embed_dim": 32, "embed_heads": 2, "depth": 1}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES.keys())
def test_a_recipe_is_whole(recipe: Recipe, tmp_path: Path) -> None:
    assert recipe.architecture in (*poster.ARCHITECTURES, *FACES) and recipe.contract.architecture == recipe.architecture
    assert recipe.contract.labels in ORDERS.values()
    assert recipe.target in ("votes", "labels", "poster")
    head = recipe.head.build(32, len(recipe.contract.labels))
    assert head(torch.zeros(2, 32) + 1).shape == (2, len(recipe.contract.labels))
    assert 0 < learning_rate(recipe, recipe.epochs / 2) <= recipe.lr
    save_recipe(recipe, tmp_path / "recipe.json")
    assert json.loads((tmp_path / "recipe.json").read_text())["contract"]["labels"] == list(recipe.contract.labels)


@pytest.mark.parametrize(
    ("name", "lr", "batch", "epochs", "channels", "balance"),
    [
        ("poster_large_raf_db", 4e-5, 200, 300, "bgr", 0),
        ("poster_large_affectnet_8", 2e-6, 200, 300, "rgb", 1),
        ("posterpp_raf_db", 3.5e-5, 144, 200, "rgb", 0),
        ("posterpp_affectnet_7", 1e-6, 144, 200, "rgb", 1),
        ("posterpp_caer_s", 4e-5, 144, 200, "rgb", 0),
    ],
)
def test_the_official_figures(name: str, lr: float, batch: int, epochs: int, channels: str, balance: float) -> None:
    recipe = RECIPES[name]
    assert (recipe.lr, recipe.batch_size, recipe.epochs, recipe.contract.channels, recipe.class_balance) == (lr, batch, epochs, channels, balance)
    assert (recipe.optimizer, recipe.sam, recipe.gamma, recipe.weight_decay, recipe.schedule) == ("adam", 0.05, 0.98, 0, "exponential")
    assert learning_rate(recipe, 2.7) == pytest.approx(lr * 0.98**2)


def test_a_cosine_starts_again_at_its_restarts() -> None:
    recipe = Recipe("r", "posterpp_nano", epochs=30, restarts=(10,), lr=1.0, warmup_epochs=0.5)
    rates = [learning_rate(recipe, epoch) for epoch in np.linspace(0, 29.999, 3000)]
    assert max(rates) == pytest.approx(1, abs=0.01)
    assert learning_rate(recipe, 9.999) == pytest.approx(0.01, abs=1e-3) == learning_rate(recipe, 29.999)
    assert learning_rate(recipe, 10) == pytest.approx(0.5) and learning_rate(recipe, 20) == pytest.approx((0.5 + 0.01) / 2)


def test_strength_grows_what_is_ours_and_leaves_what_was_published() -> None:
    half = Augmentation(erasing=0.5, mixup=0.2).scaled(0.5)
    assert (half.rotation, half.erase, half.flip, half.erasing, half.mixup) == (6, 0.1, 0.5, 0.5, 0.2)


@pytest.mark.parametrize("values", [{"schedule": "step"}, {"optimizer": "lion"}])
def test_unknown_words_are_refused(values: dict[str, str]) -> None:
    recipe = RECIPES["posterpp_nano"].override([f"{key}={value}" for key, value in values.items()])
    with pytest.raises(InputError, match="known are"):
        build_optimizer(torch.nn.Linear(2, 2), recipe)
        learning_rate(recipe, 1)


@pytest.mark.parametrize("head", [Head("softmax"), Head("adaface", quality="eyes")])
def test_an_unknown_head_is_refused(head: Head) -> None:
    with pytest.raises(InputError, match="heads: linear"):
        head.build(8, 2)


@pytest.mark.parametrize("quality", ["fused", "mlp", "image"])
def test_the_margin_takes_its_quality_from_the_feature_named(quality: str) -> None:
    torch.manual_seed(0)
    model = poster.create_model("posterpp_nano", num_classes=8, **SMALL)
    recipe = RECIPES["posterpp_nano"].override(["head.kind=adaface", f"head.quality={quality}", "head.t_alpha=1.0", "auxiliary=0"])
    model.head = recipe.head.build(model.num_features, 8)
    learner = Learner(model, recipe, 8).train()
    learner.hold_landmarks()
    seen: dict[str, torch.Tensor] = {}
    model.image_stream.register_forward_hook(lambda _m, _i, maps: seen.update(image=maps[-1].mean((2, 3))))
    model.gate.register_forward_hook(lambda _m, inputs, output: seen.update(mlp=inputs[0], fused=output))
    votes = torch.eye(8)[:6]
    logits, auxiliary = learner(torch.randn(6, 3, 48, 48), votes)
    assert auxiliary is None and logits.shape == (6, 8)
    norms = seen[quality].norm(dim=1)
    assert isinstance(model.head, AdaFaceHead)
    assert model.head.batch_mean.item() == pytest.approx(norms.clamp(0.001, 100).mean().item(), rel=1e-4)
    plain = model.head(seen["fused"])
    off_target = votes == 0
    torch.testing.assert_close(logits[off_target], plain[off_target], atol=0.05, rtol=1e-3)
    assert (logits[~off_target] < plain[~off_target] + 64 * 0.4).all()
    assert not torch.allclose(logits[~off_target], plain[~off_target])
