"""The learning rate over a run, and the optimizer it steers."""

from __future__ import annotations

import math

import torch
from torch import nn

from poster.errors import InputError
from poster.training.recipe import Recipe

FLOOR = 0.01  # a cosine ends at this share of its peak


def learning_rate(recipe: Recipe, epoch: float) -> float:
    """The rate after ``epoch`` epochs, counted in fractions.

    "cosine": linear warm-up, then half cosines from the peak to a hundredth of it, one between two restarts (Loshchilov & Hutter 2017),
    each restart half as high as the peak. "exponential": the peak times ``gamma`` to the number of finished epochs.
    """
    if recipe.schedule == "exponential":
        return recipe.lr * recipe.gamma ** int(epoch)
    if recipe.schedule != "cosine":
        raise InputError(f"the schedule {recipe.schedule!r} is unknown; known are cosine and exponential")
    if epoch < recipe.warmup_epochs:
        return recipe.lr * (epoch + 0.02) / (recipe.warmup_epochs + 0.02)
    edges = (recipe.warmup_epochs, *recipe.restarts, float(recipe.epochs))
    cycle = max(i for i, edge in enumerate(edges[:-1]) if i == 0 or edge <= epoch)
    done = (epoch - edges[cycle]) / max(edges[cycle + 1] - edges[cycle], 1e-9)
    peak = recipe.lr * (1.0 if cycle == 0 else 0.5)
    return recipe.lr * FLOOR + (peak - recipe.lr * FLOOR) * 0.5 * (1 + math.cos(math.pi * min(done, 1)))


def build_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimizer; no weight decay on vectors: norms, biases, PReLU slopes, layer scale."""
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=recipe.lr, betas=(0.9, 0.99))
    if recipe.optimizer == "adam":
        return torch.optim.Adam(groups, lr=recipe.lr)
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=recipe.lr, momentum=0.9)
    raise InputError(f"the optimizer {recipe.optimizer!r} is unknown; known are adamw, adam and sgd")
