"""What a batch is compared with: soft votes, labels, POSTER's two losses, and mixed pictures."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

TARGETS = ("votes", "labels", "poster")


def targets(votes: Tensor, target: str) -> Tensor:
    """(N, K) votes -> what is learnt: the votes themselves, or all weight on the largest."""
    return votes if target == "votes" else F.one_hot(votes.argmax(dim=1), votes.shape[1]).to(votes.dtype)


def loss(logits: Tensor, wanted: Tensor, target: str) -> Tensor:
    """Cross-entropy of (N, K) logits to (N, K) shares; for "poster" its 2 x label smoothing 0.2 + plain (train.py of the official code)."""
    plain = F.cross_entropy(logits, wanted)
    return 2 * F.cross_entropy(logits, wanted, label_smoothing=0.2) + plain if target == "poster" else plain


def mix(images: Tensor, votes: Tensor, mixup: float, cutmix: float) -> tuple[Tensor, Tensor]:
    """The batch with another order of itself: blended (mixup) or with a rectangle swapped in (cutmix); votes in the same shares.

    images (N, C, S, S), votes (N, K), any shares. With both given, each batch takes one of them.
    """
    cut = bool(cutmix) and (not mixup or bool(torch.rand(()) < 0.5))
    alpha = cutmix if cut else mixup
    if not alpha:
        return images, votes
    share = float(torch.distributions.Beta(alpha, alpha).sample())
    other = torch.randperm(len(images), device=images.device)
    if cut:
        side = images.shape[-1]
        length = round(side * (1 - share) ** 0.5)
        top, left = (int(torch.randint(side - length + 1, ())) for _ in range(2))
        images = images.clone()
        images[:, :, top : top + length, left : left + length] = images[other][:, :, top : top + length, left : left + length]
        share = 1 - (length / side) ** 2
    else:
        images = images.lerp(images[other], 1 - share)
    return images, votes.lerp(votes[other], 1 - share)
