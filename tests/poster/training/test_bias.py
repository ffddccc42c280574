"""The bias fitted after training is the one an independent optimiser finds, is judged on what it was not fitted to, and reaches the finished model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from scipy.optimize import minimize
from scipy.special import log_softmax

from poster.shipped import model_path
from poster.training import bias, session
from poster.training.bias import FOLDS, PENALTIES, choose, crossed, fit, move
from poster.training.data import TrainingData
from poster.training.recipes import RECIPES
from poster.training.session import train
from poster.training.validate import fit_temperature
from tests.poster.training.made_up import bright_eighths


def biased(n: int = 1200, shift: tuple[float, ...] = (0.0, 1.2, -0.8, 0.0)) -> tuple[torch.Tensor, np.ndarray]:
    """Logits (n, 4) whose softmax, less ``shift``, is how often each class is the label."""
    rng = np.random.default_rng(5)
    true = 1.5 * rng.normal(size=(n, 4))
    labels = np.array([rng.choice(4, p=np.exp(log_softmax(row))) for row in true])
    return torch.from_numpy((true + shift).astype(np.float32)), labels


@pytest.mark.parametrize("penalty", [0.0, 0.03, 0.3])
@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_the_shift_is_the_one_scipy_finds(penalty: float, scale: float) -> None:
    logits, labels = biased()
    logits = scale * logits
    temperature = fit_temperature(logits, labels)

    def loss(shift: np.ndarray) -> float:
        return -log_softmax(logits.double().numpy() / temperature + shift, axis=1)[np.arange(len(labels)), labels].mean() + penalty * (shift**2).sum()

    found = minimize(loss, np.zeros(4), method="BFGS", options={"gtol": 1e-8}).x * temperature
    ours = fit(logits, labels, penalty).numpy()
    np.testing.assert_allclose(ours - ours.mean(), found - found.mean(), atol=2e-3)


def test_what_was_added_wrongly_is_taken_away_again() -> None:
    logits, labels = biased(6000)
    np.testing.assert_allclose(fit(logits, labels, 0.0).numpy(), [0.1, -1.1, 0.9, 0.1], atol=0.12)  # 0, -1.2, 0.8, 0 less their mean


def test_no_row_is_judged_by_a_bias_fitted_to_its_own_label() -> None:
    labels = np.random.default_rng(2).permutation(np.repeat(np.arange(4), [25, 9, 5, 4]))
    logits = torch.zeros(43, 4)
    moved = crossed(logits, labels, 0.001) - logits
    part = np.empty(43, dtype=int)
    part[np.argsort(labels, kind="stable")] = np.arange(43) % FOLDS
    for fold in range(FOLDS):
        others = part != fold
        rows = moved[torch.from_numpy(~others)]
        assert torch.equal(rows, rows[:1].expand_as(rows))
        torch.testing.assert_close(rows[0], fit(logits[torch.from_numpy(others)], labels[others], 0.001))


def test_of_those_that_cost_little_the_one_with_the_lowest_cross_entropy_is_chosen() -> None:
    logits, labels = biased()
    found = choose(logits, labels, 1.0)
    assert [row["penalty"] for row in found["tried"]] == [None, *PENALTIES]
    assert found["penalty"] == min(found["tried"], key=lambda row: row["loss"])["penalty"] == PENALTIES[0]
    np.testing.assert_allclose(found["shift"], fit(logits, labels, PENALTIES[0]).numpy())
    first, *rest = (row["mean_class_accuracy"] for row in found["tried"])
    for cost in (0.0, 0.01, 0.05):
        allowed = [first, *(each for each in rest if each >= first - cost)]
        chosen = next(row for row in found["tried"] if row["penalty"] == choose(logits, labels, cost)["penalty"])
        assert chosen["mean_class_accuracy"] in allowed


def test_a_bias_that_costs_too_much_or_gains_nothing_is_not_fitted() -> None:
    """Nine in ten of class 0, shown as often as class 1: the right bias names class 0 nearly always, and the mean class accuracy falls."""
    rng = np.random.default_rng(3)
    labels = (rng.random(2000) < 0.1).astype(np.int64)
    side = rng.normal(size=2000) + 2 * labels - 1
    logits = torch.from_numpy(np.stack([-side, side], axis=1).astype(np.float32))
    assert choose(logits, labels, 1.0)["penalty"] is not None
    kept = choose(logits, labels, 0.001)
    assert kept["penalty"] is None and kept["shift"] == [0.0, 0.0]


def test_the_shift_goes_into_the_bias() -> None:
    model = torch.nn.Module()
    model.head = torch.nn.Linear(4, 3)
    before = model.head.bias.detach().clone()
    move(model, [0.5, -1.0, 0.0])
    torch.testing.assert_close(model.head.bias.detach() - before, torch.tensor([0.5, -1.0, 0.0]))


def test_a_run_fits_the_bias_and_says_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images, labels = bright_eighths(48)
    data = TrainingData(images, np.eye(8, dtype=np.float32)[labels], labels, np.arange(8), np.arange(8, 48))
    monkeypatch.setattr(session, "load", lambda recipe, folder: data)
    recipe = RECIPES["posterpp_nano_fitted_mean"].override(["bias_cost=1"])
    made = Path(train(recipe, tmp_path, tmp_path / "out", start=["posterpp_nano", "posterpp_nano"])["file"])
    found = json.loads((tmp_path / "out" / "bias.json").read_text())
    assert found["penalty"] in PENALTIES and max(map(abs, found["shift"])) > 0.01
    before, after = load_file(model_path("posterpp_nano"))["head.bias"], load_file(made)["head.bias"]
    torch.testing.assert_close((after - before).float(), torch.tensor(found["shift"]), rtol=0, atol=5e-3)  # float16


def test_every_part_holds_its_share_of_every_class(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = np.random.default_rng(2).permutation(np.repeat(np.arange(4), [250, 90, 50, 40]))
    seen: list[list[int]] = []

    def counted(logits: torch.Tensor, others: np.ndarray, _penalty: float) -> torch.Tensor:
        seen.append((np.bincount(labels) - np.bincount(others, minlength=4)).tolist())
        return torch.zeros(4)

    monkeypatch.setattr(bias, "fit", counted)
    crossed(torch.zeros(430, 4), labels, 0.1)
    assert seen == [[25, 9, 5, 4]] * FOLDS
