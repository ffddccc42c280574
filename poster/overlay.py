"""Colours for what is drawn on a photo: a perceptually even heat scale whose weak values are transparent, and face boxes and landmarks."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

FAINT = 0.02  # of the heatmap's scale: nothing is drawn up to here

# Eight stops of a dark-to-light scale whose lightness rises evenly, so that it reads the same in grey and for colour-blind eyes.
_STOPS = np.array(
    [[13, 8, 60], [70, 12, 110], [125, 24, 109], [178, 43, 90], [221, 75, 62], [246, 123, 33], [251, 181, 35], [248, 245, 140]], dtype=np.float64
)  # fmt: skip

DOT, SMALLEST_DOT = 0.011, 0.001  # radius of a landmark's dot: of the points' extent, at least of the photo's longer side
RIM = 1.6  # radius of its dark rim, in its own


def colour(values: np.ndarray) -> np.ndarray:
    """float (...) in 0..1 -> uint8 RGB (..., 3)."""
    position = np.clip(values, 0, 1) * (len(_STOPS) - 1)
    stops = np.arange(len(_STOPS))
    return np.stack([np.interp(position, stops, _STOPS[:, channel]) for channel in range(3)], axis=-1).round().astype(np.uint8)


def opacity(values: np.ndarray) -> np.ndarray:
    """A heatmap (H, W) in 0..1 -> how opaque it is drawn, 0..1: not at all up to FAINT, where a heatmap holds what speaks against the class."""
    return np.clip((values - FAINT) / (1 - FAINT), 0, 1) ** 0.7


def blend(rgb: np.ndarray, values: np.ndarray, strongest: float = 0.6) -> np.ndarray:
    """Lay a heatmap (H, W) in 0..1 over a photo (H, W, 3) uint8; strongest: the opacity 0..1 that a value of 1 gets, weak ones less."""
    alpha = (opacity(values) * strongest)[..., None]
    return (rgb * (1 - alpha) + colour(values) * alpha).round().astype(np.uint8)


def draw_boxes(rgb: np.ndarray, boxes: list[tuple[float, float, float, float]]) -> np.ndarray:
    """A white line with a dark rim around every box (x0, y0, x1, y1), with its number, so that it shows on any photo."""
    image = Image.fromarray(rgb)
    draw = ImageDraw.Draw(image)
    width = max(2, round(max(image.size) / 300))
    for number, (x0, y0, x1, y1) in enumerate(boxes, 1):
        for colour_, line in (((20, 20, 20), width + 2), ((255, 255, 255), width)):
            draw.rectangle((x0, y0, x1, y1), outline=colour_, width=line)
        if len(boxes) > 1:
            size = max(14, width * 7)
            draw.rectangle((x0, y0, x0 + size, y0 + size), fill=(20, 20, 20))
            draw.text((x0 + size / 2, y0 + size / 2), str(number), fill=(255, 255, 255), anchor="mm", font_size=size * 0.8)
    return np.asarray(image)


def dot_radius(points: np.ndarray, longer_side: float) -> float:
    """Pixels: small enough that the points (P, 2) of a face stay apart, large enough to be seen in a photo of ``longer_side`` pixels."""
    return max(DOT * float(np.ptp(points, axis=0).max()), SMALLEST_DOT * longer_side)


def draw_landmarks(rgb: np.ndarray, faces: list[np.ndarray | None]) -> np.ndarray:
    """White dots with a dark rim: (P, 2) x and y in pixels a face, None for a face without. The rims of a face lie under all its dots."""
    image = Image.fromarray(rgb)
    draw = ImageDraw.Draw(image)
    for points in faces:
        if points is None:
            continue
        radius = dot_radius(points, max(image.size))
        for colour_, size in (((20, 20, 20), radius * RIM), ((255, 255, 255), radius)):
            for x, y in np.asarray(points, dtype=float).tolist():
                draw.ellipse((x - size, y - size, x + size, y + size), fill=colour_)
    return np.asarray(image)
