"""Naming rare classes more often: how strongly, is chosen on the validation split, by what it costs in accuracy there."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from poster.training.validate import scores

STRENGTHS = tuple(round(0.05 * step, 2) for step in range(9))  # 0 to 0.4


def offset(votes: np.ndarray, strength: float) -> Tensor:
    """(K,) to be added to the logits: ``strength`` times minus the log of the classes' share of ``votes`` (N, K) (logit adjustment, Menon et al. 2021)."""
    share = torch.from_numpy(votes.mean(axis=0, dtype=np.float64)).clamp_min(1e-6)
    return (-strength * share.log()).float()


def choose(logits: Tensor, labels: np.ndarray, votes: np.ndarray, cost: float) -> dict[str, Any]:
    """The strongest of STRENGTHS whose accuracy on the validation logits (N, K) is at most ``cost`` below that without.

    Returns ``strength``, ``cost`` and, under ``tried``, accuracy and mean class accuracy of each.
    """
    tried = [{"strength": strength} | scores(logits + offset(votes, strength), labels) for strength in STRENGTHS]
    enough = tried[0]["accuracy"] - cost - 1e-9
    return {"strength": max(row["strength"] for row in tried if row["accuracy"] >= enough), "cost": cost, "tried": tried}


@torch.no_grad()
def favour(model: Any, votes: np.ndarray, strength: float) -> None:
    """Add the :func:`offset` to the bias of the linear head, in place."""
    model.head.bias += offset(votes, strength).to(model.head.bias)
