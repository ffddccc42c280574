"""How much a face crop can tell: a plain estimate from its size in the photo and its sharpness, for faces without an embedding norm."""

from __future__ import annotations

import numpy as np

ENOUGH_PIXELS = 96.0  # a face of this side shows everything the models look at
SHARP = 0.02  # mean absolute Laplacian of an in-focus face at 48 pixels, values in 0..1
USABLE = 0.35  # below this the page warns


def quality(crop: np.ndarray, side: float) -> float:
    """A face's quality in 0..1: the geometric mean of resolution and sharpness.

    crop: uint8 (S, S, 3) as the model gets it; side: the crop's side in pixels of the photo. Not a calibrated probability.
    """
    grey = crop.astype(np.float64).mean(axis=2) / 255
    laplacian = 4 * grey[1:-1, 1:-1] - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:]
    contrast = max(float(grey.std()), 1e-3)
    sharpness = min(1.0, float(np.abs(laplacian).mean()) / contrast / (SHARP / 0.05))
    return float(np.sqrt(min(1.0, side / ENOUGH_PIXELS) * sharpness))
