"""Sharpness-aware minimisation (Foret et al. 2021): the gradient is taken where the loss is worst within a radius, the step where we stand."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


@torch.no_grad()
def climb(parameters: Iterable[nn.Parameter], rho: float) -> list[tuple[nn.Parameter, Tensor]]:
    """Move every parameter with a gradient by rho along it (2-norm over all of them together); returns where they stood."""
    moved = [p for p in parameters if p.grad is not None]
    before = [(p, p.detach().clone()) for p in moved]
    gradients = [p.grad for p in moved if p.grad is not None]
    scale = rho / (torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients))) + 1e-12)
    for p, gradient in zip(moved, gradients, strict=True):
        p.add_(gradient * scale)
    return before


@torch.no_grad()
def descend(before: list[tuple[nn.Parameter, Tensor]]) -> None:
    """Back to where :func:`climb` began; the gradients stay those of the worst place, for the optimizer's step."""
    for p, value in before:
        p.copy_(value)
