"""Variations of a batch of faces, on whatever device the batch is on: what size, blur, light and crops of real photos do."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms import v2

from poster.training.recipe import Augmentation

# The 68 points (iBUG 300-W) after a left-right mirror: jaw, brows, nose, eyes, mouth.
MIRROR_68 = (
    *range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, 35, 34, 33, 32, 31, 45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
    54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65,
)  # fmt: skip

LIGHT = 0.4, 1.7  # times, from the dark to a sky behind the head


def random_affine(n: int, how: Augmentation, device: torch.device | str = "cpu") -> Tensor:
    """(N, 2, 3) maps from output to input coordinates in -1..1: rotation, scale, shift and mirror."""
    angle = torch.empty(n, device=device).uniform_(-1, 1) * math.radians(how.rotation)
    scale = torch.exp(torch.empty(n, device=device).uniform_(-1, 1) * how.scale)
    mirror = torch.where(torch.rand(n, device=device) < how.flip, -1.0, 1.0)
    shift = torch.empty(n, 2, device=device).uniform_(-2, 2) * how.shift
    cos, sin = scale * angle.cos(), scale * angle.sin()
    return torch.stack([torch.stack([cos * mirror, -sin, shift[:, 0]], 1), torch.stack([sin * mirror, cos, shift[:, 1]], 1)], 1)


def warp(images: Tensor, affine: Tensor) -> Tensor:
    """(N, C, H, W) -> the same, resampled bilinearly; the edge is repeated outside."""
    grid = F.affine_grid(affine, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


def warp_points(points: Tensor, affine: Tensor) -> Tensor:
    """(N, 68, 2) fractions of the side -> where they are after :func:`warp`; left and right swap names when mirrored."""
    linear, shift = affine[:, :, :2], affine[:, :, 2]
    moved = torch.einsum("nij,npj->npi", torch.linalg.inv(linear), points * 2 - 1 - shift[:, None])
    mirrored = torch.linalg.det(linear) < 0
    return torch.where(mirrored[:, None, None], moved[:, list(MIRROR_68)], moved) / 2 + 0.5


def degrade(images: Tensor, how: Augmentation) -> Tensor:
    """(N, C, S, S) in 0..1: light, resolution, noise and occlusion, each for a random part of the batch."""
    if not any((how.brightness, how.contrast, how.light, how.low_resolution, how.noise, how.erase, how.gaussian)):
        return images
    n, _, side, _ = images.shape

    def chosen(probability: float) -> Tensor:
        return (torch.rand(n, 1, 1, 1, device=images.device) < probability).to(images.dtype)

    def uniform(low: float, high: float) -> Tensor:
        return torch.empty(n, 1, 1, 1, device=images.device).uniform_(low, high)

    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    x = (images - mean) * torch.exp(uniform(-how.contrast, how.contrast)) + mean + uniform(-how.brightness, how.brightness)
    if how.light:  # asked only then: a recipe without it keeps its random numbers
        x = torch.where(chosen(how.light).bool(), images * uniform(*LIGHT), x).clamp(0, 1)
    small = int(torch.randint(side // 3, side * 3 // 4, ()))
    coarse = F.interpolate(F.interpolate(x, size=small, mode="bilinear", antialias=True), size=side, mode="bilinear")
    x = torch.lerp(x, coarse, chosen(how.low_resolution))
    x = x + torch.randn_like(x) * uniform(0, 0.06) * chosen(how.noise)
    x = x.clamp(0, 1)
    rows = torch.arange(side, device=images.device).view(1, 1, side, 1)
    columns = rows.view(1, 1, 1, side)
    height, width = uniform(0.1, 0.4) * side, uniform(0.1, 0.4) * side
    top, left = uniform(0, 0.9) * side, uniform(0, 0.9) * side
    hole = (rows >= top) & (rows < top + height) & (columns >= left) & (columns < left + width) & chosen(how.erase).bool()
    x = torch.where(hole, uniform(0, 1), x)
    return (x + torch.randn_like(x) * (30**0.5 / 255) * chosen(how.gaussian)).clamp(0, 1) if how.gaussian else x


def erase(normalised: Tensor, how: Augmentation) -> Tensor:
    """(N, 3, S, S) after normalisation: a rectangle of zeros, the mean colour, as torchvision's RandomErasing of both papers."""
    if not how.erasing:
        return normalised
    erasing = v2.RandomErasing(p=how.erasing, scale=(how.erasing_min, how.erasing_max))
    return torch.stack([erasing(image) for image in normalised])


def randaugment(images: Tensor, magnitude: int) -> Tensor:
    """(N, C, S, S) in 0..1: two random operations, each picture its own (Cubuk et al. 2020, as torchvision has it)."""
    if not magnitude:
        return images
    change = v2.RandAugment(num_ops=2, magnitude=magnitude)
    return torch.stack([change(image) for image in (images * 255).round().to(torch.uint8)]).float() / 255
