"""A face and its mirror image show one expression: a model may look at both and answer with their mean."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn


class Mirrorable(nn.Module):
    """A network whose embedding, where its contract says so, is the mean of a picture's and its mirror image's; with a linear head so are its logits.

    Subclasses give ``single``: (N, 3, S, S) -> embedding (N, D). In training every picture goes through once, whatever ``mirror`` says.
    """

    mirror = False

    @abstractmethod
    def single(self, images: Tensor) -> Tensor:
        """-> embedding (N, D) of the pictures as they are."""

    def forward_features(self, images: Tensor) -> Tensor:
        """-> embedding (N, D)."""
        if self.training or not self.mirror:
            return self.single(images)
        return folded(self.single(with_mirror_images(images)))


def with_mirror_images(images: Tensor) -> Tensor:
    """(N, ..., W) -> (2N, ..., W): the pictures, then their mirror images in the same order."""
    return torch.cat([images, images.flip(-1)])


def folded(both: Tensor) -> Tensor:
    """(2N, D), of pictures and then of their mirror images -> their mean (N, D)."""
    return both.unflatten(0, (2, -1)).mean(dim=0)
