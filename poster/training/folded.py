"""Networks are often published with their norms folded away; to be trained on, they need norms again that at first change nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn


@torch.no_grad()
def recall(norms: Sequence[nn.BatchNorm2d], look: Callable[[Tensor], object], images: Tensor) -> None:
    """Give ``norms``, whose statistics are 0 and 1, those of ``images``, and factors and offsets with which they compute what they did.

    look: the forward pass, in evaluation mode, through all of them.
    """
    seen: dict[nn.Module, Tensor] = {}
    hooks = [norm.register_forward_hook(lambda module, inputs, _: seen.__setitem__(module, inputs[0])) for norm in norms]
    look(images)
    for hook in hooks:
        hook.remove()
    for norm in norms:
        variance, mean = torch.var_mean(seen[norm], dim=(0, 2, 3), correction=0)
        norm.bias.add_(mean * norm.weight)
        norm.weight.mul_((variance + norm.eps).sqrt())
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
