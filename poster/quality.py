"""How much a face can tell: from the embedding's norm where the head was trained to mean that, else from the picture; and what is wrong with it in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from poster.face import Face

if TYPE_CHECKING:
    from torch import Tensor, nn

ENOUGH_PIXELS = 96.0  # a face of this side shows everything the models look at
SMALL = 40.0  # pixels; FER2013's faces have 48, smaller ones are guessed at
SIDE = 48  # pixels a crop is reduced to before its sharpness is taken, so that it is the same for every model
SHARP = 0.4  # mean absolute Laplacian of an in-focus face at that size, in standard deviations of its grey values
BLURRED = 0.35  # of SHARP; a portrait of 100 pixels falls below it with a Gaussian blur of 2.5 pixels
USABLE = 0.35  # below this the page warns


def quality(crop: np.ndarray, side: float) -> float:
    """A face's quality in 0..1 without a reference: the geometric mean of resolution and sharpness.

    crop: uint8 (S, S, 3) as the model gets it; side: the crop's side in pixels of the photo. Not a calibrated probability.
    """
    return float(np.sqrt(min(1.0, side / ENOUGH_PIXELS) * sharpness(crop)))


def sharpness(crop: np.ndarray) -> float:
    """0 (no edges) to 1 (in focus) of a face crop, uint8 (S, S, 3), whatever S and the contrast."""
    grey = np.asarray(Image.fromarray(crop).convert("L").resize((SIDE, SIDE), Image.Resampling.BILINEAR), dtype=np.float64) / 255
    laplacian = 4 * grey[1:-1, 1:-1] - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:]
    return min(1.0, float(np.abs(laplacian).mean()) / max(float(grey.std()), 1e-3) / SHARP)


def problems(crop: np.ndarray, side: float, face: Face) -> tuple[str, ...]:
    """What speaks against trusting the answer, out of "small", "blurred", "turned", "doubtful"; arguments as for :func:`quality`."""
    found = (("small", side < SMALL), ("blurred", sharpness(crop) < BLURRED), ("turned", face.is_turned), ("doubtful", face.doubtful))
    return tuple(word for word, wrong in found if wrong)


def norm_quality(model: nn.Module, embedding: Tensor) -> Tensor | None:
    """Quality in 0..1 read from the norms of embeddings (N, D) as AdaFace does (Kim et al. 2022, section 3.3), (N,); None without an AdaFace head.

    The norm's distance from the running mean of training, in h-fold standard deviations, cut at -1 and 1.
    """
    from poster.heads import EPS, AdaFaceHead  # the page imports this module before torch

    head = next((part for part in model.modules() if isinstance(part, AdaFaceHead)), None)
    if head is None:
        return None
    norms = embedding.float().norm(dim=1).clamp(0.001, 100)
    return (((norms - head.batch_mean) / (head.batch_std + EPS) * head.h).clamp(-1, 1) + 1) / 2
