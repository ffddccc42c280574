"""Schematic faces drawn by code from a seed: eight expressions, always there, a self-test of the whole path and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from poster.data.images import ArraySource, ImageSet
from poster.labels import EXPRESSIONS

SIDE = 96  # pixels
_SCALE = 3  # drawn larger and averaged: smooth lines


@dataclass(frozen=True)
class _Look:
    """Inner brows up (+) or down, outer brows likewise, eyes open, mouth corners up (+), mouth open, asymmetry, wrinkled nose; about -1..1."""

    inner: float
    outer: float
    eyes: float
    corners: float
    gape: float = 0.0
    askew: float = 0.0
    nose: float = 0.0


# After the action units of Ekman and Friesen: sadness raises the inner brow, anger lowers it, disgust wrinkles the nose.
_LOOKS = {
    "neutral": _Look(0, 0, 0.5, 0),
    "happiness": _Look(0.1, 0.1, 0.35, 1.0, 0.35),
    "sadness": _Look(0.9, -0.6, 0.3, -0.8),
    "surprise": _Look(1.0, 1.0, 1.0, 0.0, 1.0),
    "fear": _Look(1.0, 0.2, 1.0, -0.4, 0.45),
    "disgust": _Look(-0.6, -0.2, 0.15, -0.6, 0.2, 0.0, 1.0),
    "anger": _Look(-1.0, 0.5, 0.6, -0.5),
    "contempt": _Look(0.0, 0.1, 0.4, 0.1, 0.0, 1.0),
}


def draw_face(expression: str, rng: np.random.Generator) -> NDArray[np.uint8]:
    """One face, (96, 96, 3) RGB: its place, size, tilt, colours and strength of expression vary with ``rng``."""
    look = _LOOKS[expression]
    side = SIDE * _SCALE
    strength = rng.uniform(0.75, 1.1)
    skin = np.array([rng.uniform(150, 240)] * 3) * (1.0, rng.uniform(0.72, 0.85), rng.uniform(0.5, 0.7))
    dark = tuple(int(value) for value in rng.uniform((40, 15, 5), (90, 45, 30)))
    image = Image.new("RGB", (side, side), tuple(int(value) for value in rng.uniform(20, 200, 3)))
    pen = ImageDraw.Draw(image)
    cx, cy = side * (0.5 + rng.uniform(-0.04, 0.04)), side * (0.5 + rng.uniform(-0.04, 0.04))
    unit = side * rng.uniform(0.36, 0.44)  # half the height of the head
    tilt = np.deg2rad(rng.uniform(-8, 8))

    def at(x: float, y: float) -> tuple[float, float]:
        return cx + unit * (x * np.cos(tilt) - y * np.sin(tilt)), cy + unit * (x * np.sin(tilt) + y * np.cos(tilt))

    def line(points: list[tuple[float, float]], width: float = 0.05, fill: tuple[int, ...] = dark) -> None:
        pen.line([at(x, y) for x, y in points], fill=fill, width=max(1, int(width * unit)), joint="curve")

    def oval(x: float, y: float, rx: float, ry: float, fill: tuple[int, ...]) -> None:
        angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        pen.polygon([at(x + rx * np.cos(a), y + ry * np.sin(a)) for a in angles], fill=fill)

    oval(0, 0, 0.8, 1.0, tuple(int(value) for value in skin))
    for way in (-1, 1):
        oval(way * 0.34, -0.15, 0.16, 0.03 + 0.13 * look.eyes * strength, (245, 245, 240))
        oval(way * 0.34, -0.15, 0.065, min(0.065, 0.03 + 0.13 * look.eyes * strength), dark)
        lift = 0.14 * strength
        askew = 0.08 * look.askew * way
        line([(way * 0.14, -0.42 - lift * look.inner), (way * 0.34, -0.47 - askew), (way * 0.54, -0.42 - lift * look.outer - askew)], 0.07)
        if look.nose:
            line([(way * 0.06, 0.02), (way * 0.2, 0.12), (way * 0.26, 0.28)], 0.04)
    line([(0, -0.05), (-0.07, 0.2), (0.05, 0.22)], 0.035)
    xs = np.linspace(-0.36, 0.36, 15)
    bend = 0.26 * strength * ((xs / 0.36) ** 2 - 0.4)
    raised = np.where(xs > 0, xs / 0.36, 0) ** 2 * 0.24 * look.askew * strength
    upper = 0.52 - look.corners * bend - raised
    opened = 0.36 * look.gape * strength * (1 - (xs / 0.36) ** 2)
    lips = (int(0.75 * skin[0]), int(0.4 * skin[1]), int(0.45 * skin[2]))
    if look.gape:
        shape = [*zip(xs, upper - opened / 4, strict=True), *zip(xs[::-1], (upper + opened)[::-1], strict=True)]
        pen.polygon([at(x, y) for x, y in shape], fill=(60, 10, 15))
    line(list(zip(xs, upper - opened / 4, strict=True)), 0.07, lips)
    line(list(zip(xs, upper + opened, strict=True)), 0.05, lips)
    pixels = np.asarray(image.reduce(_SCALE), dtype=np.float64) * rng.uniform(0.8, 1.15) + rng.normal(0, 6, (SIDE, SIDE, 1))
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def sketch_set(per_class: int = 32, seed: int = 20250101) -> ImageSet:
    """``per_class`` faces of each of the eight expressions, in turn; another seed gives other faces (a training part, say)."""
    rng = np.random.default_rng(seed)
    targets = np.tile(np.arange(len(EXPRESSIONS)), per_class)
    images = np.stack([draw_face(EXPRESSIONS[target], rng) for target in targets])
    keys = tuple(f"{EXPRESSIONS[target]} {index // len(EXPRESSIONS)}" for index, target in enumerate(targets))
    return ImageSet(keys, targets.astype(np.int64), EXPRESSIONS, ArraySource(images), "sketch")
