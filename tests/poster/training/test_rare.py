"""How strongly rare classes are favoured is chosen by what it costs on the validation split."""

import numpy as np
import pytest
import torch

from poster.training.rare import STRENGTHS, choose, favour, offset

VOTES = np.repeat(np.eye(3, dtype=np.float32), [70, 20, 10], axis=0)


def test_the_offset_is_the_log_of_the_share_and_goes_into_the_bias() -> None:
    model = torch.nn.Module()
    model.head = torch.nn.Linear(4, 3)
    before = model.head.bias.detach().clone()
    favour(model, VOTES, 0.5)
    added = (model.head.bias - before).detach().numpy()
    np.testing.assert_allclose(added, -0.5 * np.log([0.7, 0.2, 0.1]), rtol=1e-5)


@pytest.mark.parametrize("cost", [0.0, 0.005, 0.02, 1.0])
def test_the_strongest_within_the_cost_is_chosen(cost: float) -> None:
    rng = np.random.default_rng(0)
    labels = rng.choice(3, size=600, p=[0.7, 0.2, 0.1])
    logits = torch.from_numpy(rng.normal(size=(600, 3)).astype(np.float32))
    logits[np.arange(600), labels] += 1.0
    logits[:, 0] += 1.0
    found = choose(logits, labels, VOTES, cost)
    accuracies = []
    for strength in STRENGTHS:
        adjusted = logits.numpy() - strength * np.log([0.7, 0.2, 0.1])
        accuracies.append((adjusted.argmax(axis=1) == labels).mean())
    allowed = [strength for strength, accuracy in zip(STRENGTHS, accuracies, strict=True) if accuracy >= accuracies[0] - cost - 1e-9]
    assert found["strength"] == max(allowed)
    assert [row["accuracy"] for row in found["tried"]] == pytest.approx(accuracies)


def test_where_every_strength_costs_too_much_nothing_is_favoured() -> None:
    logits = torch.tensor([[1.0, 0.95, 0.0]] * 20)  # all of the common class, and barely so
    assert choose(logits, np.zeros(20, dtype=np.int64), VOTES, 0.01)["strength"] == 0.0
    assert offset(VOTES, 0.0).abs().max() == 0
