"""Face crops in uint8 -> what a network is fed, exactly as its contract says."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from poster.contract import ModelContract

_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC, "nearest": Image.Resampling.NEAREST}
_GREY = (19595, 38470, 7471)  # ITU-R 601 in 1/65536, the very integers PIL turns RGB into "L" with


def resize(image: np.ndarray, size: int, interpolation: str = "bilinear") -> np.ndarray:
    """(H, W, 3) or (H, W) uint8 -> the same at size x size, by PIL (antialiased when shrinking, as the official loaders)."""
    if image.shape[:2] == (size, size):
        return image
    return np.asarray(Image.fromarray(image).resize((size, size), _FILTERS[interpolation]))


def to_input(images: np.ndarray, contract: ModelContract) -> Tensor:
    """uint8 RGB (N, H, W, 3) or grey (N, H, W) -> normalised float32 (N, 3, S, S) in the contract's channel order."""
    batch = np.stack([resize(image, contract.input_size, contract.interpolation) for image in images])
    return normalise(torch.from_numpy(batch), contract)


def normalise(pixels: Tensor, contract: ModelContract) -> Tensor:
    """uint8 (N, S, S, 3) RGB or (N, S, S) grey, on any device -> float32 (N, 3, S, S): channel order, then (x / 255 - mean) / std."""
    if pixels.ndim == 3:
        x = pixels[:, None].expand(-1, 3, -1, -1).float()
    else:
        x = pixels.permute(0, 3, 1, 2).float()
        if contract.channels == "bgr":
            x = x.flip(1)
        elif contract.channels == "grey":
            weights = torch.tensor(_GREY, device=x.device).view(1, 3, 1, 1)
            x = ((pixels.permute(0, 3, 1, 2) * weights).sum(dim=1, keepdim=True) + 32768).div(65536, rounding_mode="floor").expand(-1, 3, -1, -1).float()
    mean = torch.tensor(contract.mean, device=x.device).view(1, 3, 1, 1)
    std = torch.tensor(contract.std, device=x.device).view(1, 3, 1, 1)
    return ((x / 255 - mean) / std).contiguous()
