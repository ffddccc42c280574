"""What a face detector finds and how boxes compare; copies of a photo of bounded size to look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

SAME_FACE = 0.4  # intersection over union from which two boxes are one face
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Found:
    """One face: box (x0, y0, x1, y1) in pixels, from hairline to chin and ear to ear; score, higher is surer, comparable within a detector only;
    landmarks (5, 2) x, y in pixels (eye, eye, nose, mouth corner, mouth corner, each pair from the left of the picture) or None;
    sideways: whether the detector took it for a face that looks aside; doubtful: less sure of it than of what it calls a face."""

    box: Box
    score: float
    landmarks: np.ndarray | None = None
    sideways: bool = False
    doubtful: bool = False


@dataclass(frozen=True)
class Detector:
    """A name to show ("yunet", "dlib", "s3fd") and how it looks at RGB uint8 (H, W, 3): what each look adds, the quickest first.

    Safe to call from several threads; an iteration may begin in one and end in another.
    """

    name: str
    looks: Callable[[np.ndarray], Iterator[list[Found]]]

    def find(self, rgb: np.ndarray) -> list[Found]:
        """The faces of all looks."""
        return [face for added in self.looks(rgb) for face in added]


def resized(photo: np.ndarray, pixels: float, enlarge: float) -> tuple[np.ndarray, float]:
    """The photo, RGB (H, W, 3) or grey (H, W), at about ``pixels`` pixels, and the factor from photo to copy."""
    height, width = photo.shape[:2]
    scale = min((pixels / (height * width)) ** 0.5, enlarge)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(Image.fromarray(photo).resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)), scale


def scaled(box: np.ndarray | tuple[float, ...], scale: float) -> Box:
    """A box of such a copy, in pixels of the photo."""
    x0, y0, x1, y1 = (float(value) / scale for value in box)
    return x0, y0, x1, y1


def overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes."""
    wide, tall = min(one[2], other[2]) - max(one[0], other[0]), min(one[3], other[3]) - max(one[1], other[1])
    shared = max(0.0, wide) * max(0.0, tall)
    return shared / ((one[2] - one[0]) * (one[3] - one[1]) + (other[2] - other[0]) * (other[3] - other[1]) - shared)


def distinct(found: list[Found]) -> list[Found]:
    """Several looks at one photo -> each face once, the surest box of it, the surest face first."""
    kept: list[Found] = []
    for face in sorted(found, key=lambda one: one.score, reverse=True):
        if all(overlap(face.box, other.box) <= SAME_FACE for other in kept):
            kept.append(face)
    return kept
