"""The rules by which relevance passes through attention and along a path of pictures: pure functions on tensors.

Chefer, Gur and Wolf 2021, "Generic Attention-model Explainability": an attention map counts by its own gradient, only where both speak for the
class, as a mean over the heads (eq. 5); a block with a shortcut adds what it mixes to what it had (eq. 6); between two streams relevance passes
from a query to the keys it read (eq. 10). Sundararajan, Taly and Yan 2017, "Axiomatic Attribution": gradients summed along a straight path.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F


def weighted(attention: Tensor, gradient: Tensor) -> Tensor:
    """(N, heads, Q, K) -> (N, Q, K): the attention times its gradient where that is positive, mean over the heads (eq. 5)."""
    return (attention * gradient).clamp_min(0).mean(dim=1)


def through_blocks(maps: Sequence[Tensor]) -> Tensor:
    """Self-attention maps (N, T, T), first block first, from :func:`weighted` -> relevance of every token for every token (N, T, T) (eq. 6)."""
    n, tokens, _ = maps[0].shape
    relevance = torch.eye(tokens, device=maps[0].device).expand(n, tokens, tokens)
    for one in maps:
        relevance = relevance + one @ relevance
    return relevance


def through_cross_attention(places: Tensor, attention: Tensor) -> tuple[Tensor, Tensor]:
    """Relevance of a level's outputs (N, Q) and its map (N, Q, K) from :func:`weighted` -> of the image places (N, K), of the landmark places (N, Q).

    The shortcut carries the image token of the same place (K equals Q), so an image place keeps what it had and gains what was read from it
    (eq. 6 and 10); a landmark place is as relevant as what it steered.
    """
    read = places[:, :, None] * attention
    return places + read.sum(dim=1), read.sum(dim=2)


def spread(tokens: Tensor, side: int) -> Tensor:
    """Relevance of coarse tokens (N, t, t) over a grid of ``side`` x ``side`` places -> (N, side * side), the same total for each picture.

    Stands for the strided convolutions between a level and its tokens, whose kernels overlap.
    """
    fine = enlarged(tokens, side).flatten(1)
    return fine * (tokens.sum(dim=(1, 2)) / fine.sum(dim=1).clamp_min(1e-30))[:, None]


def enlarged(maps: Tensor, side: int) -> Tensor:
    """(N, h, w) maps of a network's stage -> (N, side, side), bilinear, every value where it was read.

    Each stride of these networks (3 x 3 convolutions padded by one, strided slices) puts place i over place 2 i of what it reads, not over the middle
    of 2 i and 2 i + 1: place i of a map lies over pixel i * side / h. To enlarge it centred, as pictures are, would move it by half a cell.
    """
    padded = F.pad(maps[:, None].float(), (0, 1, 0, 1), mode="replicate")
    return F.interpolate(padded, size=(side + 1, side + 1), mode="bilinear", align_corners=True)[:, 0, :side, :side]


def gradient_times_value(value: Tensor, gradient: Tensor) -> Tensor:
    """(N, C, h, w) both -> (N, h, w), signed: how much every place speaks for the class, to first order (HiResCAM, Draelos and Carin 2021)."""
    return (value * gradient).sum(dim=1)


def blurred(images: Tensor, sigma: float) -> Tensor:
    """(N, C, S, S) under a Gaussian of ``sigma`` pixels; near the edge the weights inside the picture sum to 1."""
    across = torch.arange(images.shape[-1], device=images.device, dtype=images.dtype)
    kernel = torch.exp(-0.5 * ((across[:, None] - across) / sigma) ** 2)
    kernel = kernel / kernel.sum(dim=1, keepdim=True)
    return kernel @ images @ kernel.T
