"""Damage done to pictures on purpose, at five severities: pure functions on uint8 images (H, W) or (H, W, 3)."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter

Pixels = NDArray[np.uint8]
SEVERITIES = (1, 2, 3, 4, 5)
Corruption = Callable[[Pixels, int, int], Pixels]  # image, severity, seed


def blur(image: Pixels, severity: int, seed: int) -> Pixels:
    """Gaussian, standard deviation 0.5 to 4.5 % of the side."""
    radius = (0.005, 0.01, 0.02, 0.03, 0.045)[severity - 1] * image.shape[0]
    return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(radius)))


def noise(image: Pixels, severity: int, seed: int) -> Pixels:
    """Gaussian, standard deviation 8 to 60 grey levels, drawn from the seed."""
    level = (8, 16, 28, 42, 60)[severity - 1]
    return np.clip(np.rint(image + np.random.default_rng(seed).normal(0, level, image.shape)), 0, 255).astype(np.uint8)


def jpeg(image: Pixels, severity: int, seed: int) -> Pixels:
    """JPEG at quality 50 down to 5."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=(50, 30, 18, 10, 5)[severity - 1])
    return np.asarray(Image.open(buffer))


def brightness(image: Pixels, severity: int, seed: int) -> Pixels:
    """Darker: 70 down to 15 % of the light."""
    return np.asarray(ImageEnhance.Brightness(Image.fromarray(image)).enhance((0.7, 0.5, 0.35, 0.25, 0.15)[severity - 1]))


def contrast(image: Pixels, severity: int, seed: int) -> Pixels:
    """Flatter: 70 down to 15 % of the contrast."""
    return np.asarray(ImageEnhance.Contrast(Image.fromarray(image)).enhance((0.7, 0.5, 0.35, 0.25, 0.15)[severity - 1]))


def rotation(image: Pixels, severity: int, seed: int) -> Pixels:
    """5 to 45 degrees, to the left for even seeds and to the right for odd ones."""
    angle = (5, 10, 20, 30, 45)[severity - 1] * (1 if seed % 2 == 0 else -1)
    return np.asarray(Image.fromarray(image).rotate(angle, Image.Resampling.BILINEAR))


def occlude_upper(image: Pixels, severity: int, seed: int) -> Pixels:
    """The upper 10 to 50 % black: a cap, a headset."""
    covered = image.copy()
    covered[: round(image.shape[0] * severity / 10)] = 0
    return covered


def occlude_lower(image: Pixels, severity: int, seed: int) -> Pixels:
    """The lower 10 to 50 % black: a scarf, a mask."""
    covered = image.copy()
    covered[image.shape[0] - round(image.shape[0] * severity / 10) :] = 0
    return covered


CORRUPTIONS: dict[str, Corruption] = {
    "blur": blur,
    "noise": noise,
    "jpeg": jpeg,
    "brightness": brightness,
    "contrast": contrast,
    "rotation": rotation,
    "upper-face occlusion": occlude_upper,
    "lower-face occlusion": occlude_lower,
}


def lower_resolution(image: Pixels, size: int) -> Pixels:
    """Reduced to ``size`` pixels and enlarged again, bilinear: what is left of a small face."""
    picture = Image.fromarray(image)
    return np.asarray(picture.resize((size, size), Image.Resampling.BILINEAR).resize(picture.size, Image.Resampling.BILINEAR))
