"""A head's bias after training, fitted to the labels of the validation split: a model learns from votes, and from rare classes shown more often than they
are; it is scored against majority labels at their own shares. How far the bias may move is chosen by cross-validation on that split."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from poster.training.validate import fit_temperature, scores

PENALTIES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)  # on the squared length of the shift at the temperature that suits the logits best
FOLDS = 10


def fit(logits: Tensor, labels: np.ndarray, penalty: float) -> Tensor:
    """(K,) to be added to the logits (N, K): it minimises their cross-entropy, at their best temperature, plus ``penalty`` times its squared length there.

    Bias-corrected temperature scaling (Alexandari et al. 2020), here with a penalty, since of a rare class the split holds a few dozen pictures.
    """
    temperature, target = fit_temperature(logits, labels), torch.from_numpy(labels)
    shift = torch.zeros(logits.shape[1], requires_grad=True)
    optimizer = torch.optim.LBFGS([shift], max_iter=100)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(logits / temperature + shift, target) + penalty * shift.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    return shift.detach() * temperature


def crossed(logits: Tensor, labels: np.ndarray, penalty: float) -> Tensor:
    """The logits (N, K), those of each of FOLDS parts with the bias fitted to the others; every part holds its share of every class."""
    part = np.empty(len(labels), dtype=np.int64)
    part[np.argsort(labels, kind="stable")] = np.arange(len(labels)) % FOLDS
    moved = logits.clone()
    for fold in range(FOLDS):
        others = part != fold
        moved[torch.from_numpy(~others)] += fit(logits[torch.from_numpy(others)], labels[others], penalty)
    return moved


def choose(logits: Tensor, labels: np.ndarray, cost: float) -> dict[str, Any]:
    """Of PENALTIES the one with the lowest cross-validated cross-entropy among those that cost at most ``cost`` of the mean class accuracy.

    Returns ``penalty``, None where each of them costs more or gains nothing, ``shift``, a number a class, ``cost`` and, under ``tried``, the
    cross-validated scores of each, the first row those of the logits as they are.
    """

    def row(penalty: float | None, moved: Tensor) -> dict[str, Any]:
        return {"penalty": penalty} | scores(moved / fit_temperature(moved, labels), labels)

    tried = [row(None, logits), *(row(penalty, crossed(logits, labels, penalty)) for penalty in PENALTIES)]
    enough = tried[0]["mean_class_accuracy"] - cost - 1e-9
    penalty = min((each for each in tried if each["mean_class_accuracy"] >= enough), key=lambda each: each["loss"])["penalty"]
    shift = [0.0] * logits.shape[1] if penalty is None else fit(logits, labels, penalty).tolist()
    return {"penalty": penalty, "shift": shift, "cost": cost, "tried": tried}


@torch.no_grad()
def move(model: Any, shift: list[float]) -> None:
    """Add ``shift`` to the bias of the linear head, in place."""
    model.head.bias += torch.tensor(shift).to(model.head.bias)
