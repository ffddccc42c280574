"""Which pixels of a face belong to its parts (brows, eyes, nose, mouth), from 68 landmarks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.spatial import ConvexHull, QhullError

# iBUG 300-W: each eye with its brow, the nose, the mouth.
PARTS = ((*range(17, 22), *range(36, 42)), (*range(22, 27), *range(42, 48)), tuple(range(27, 36)), tuple(range(48, 60)))
RIM = 1 / 24  # of the side: how far beyond the landmarks' hull a part still reaches


def part_masks(points: NDArray[np.floating], side: int) -> NDArray[np.bool_]:
    """(N, 68, 2) x and y as fractions of the side -> (N, side, side), True inside the convex hull of a part or within RIM of it."""
    return np.stack([_mask(one * side, side) for one in np.asarray(points, dtype=np.float64)])


def _mask(points: NDArray[np.float64], side: int) -> NDArray[np.bool_]:
    image = Image.new("L", (side, side))
    draw = ImageDraw.Draw(image)
    for part in PARTS:
        try:
            corners = points[list(part)][ConvexHull(points[list(part)]).vertices]
        except QhullError:  # landmarks on one line have no area
            continue
        outline = [tuple(corner) for corner in corners - 0.5]  # Pillow counts from pixel centres
        draw.polygon(outline, fill=255)
        draw.line([*outline, outline[0]], fill=255, width=max(1, round(2 * RIM * side)), joint="curve")
    return np.asarray(image) > 0
