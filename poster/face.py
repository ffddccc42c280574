"""Find, align and crop faces."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from poster.detectors import detector

MAX_FACES = 8
# The margin around `Face.box` that gives back the 48 x 48 crop of FER2013, on which the shipped model learned. Over 600 of its pictures, enlarged and
# found again: median -0.03 (10th to 90th percentile -0.12 to 0.08) with YuNet, -0.02 (-0.03 to 0.09) with dlib; the centres agree within 1.5 %.
FER2013_MARGIN = -0.02
NOSE_ASIDE = 0.3  # of the eyes' distance, from their middle along their line; beyond, the head is turned by some 35 degrees or more
EYES_APART = 0.2  # of the box's width; closer eyes are those of a profile, and the line through them says nothing about roll


@dataclass(frozen=True)
class Face:
    """A face in a photo.

    box: (x0, y0, x1, y1) in pixels of the upright photo, inside it, from hairline to chin and ear to ear whatever the detector.
    landmarks: (5, 2) x, y in pixels: eye, eye, nose, mouth corner, mouth corner, each pair from the left of the picture; None where the detector has none.
    score: higher is surer; comparable within one detector only. detector: "yunet", "dlib" or "s3fd". sideways: found as a face that looks aside.
    doubtful: the detector is not sure that it is one.
    """

    box: tuple[float, float, float, float]
    landmarks: np.ndarray | None = field(default=None, compare=False)
    score: float = 1.0
    detector: str = "given"
    sideways: bool = field(default=False, compare=False)
    doubtful: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        x0, y0, x1, y1 = self.box
        if not (math.isfinite(x0 + y0 + x1 + y1) and x0 < x1 and y0 < y1):
            raise ValueError(f"the box {self.box} is not left < right, top < bottom")
        if self.landmarks is not None and self.landmarks.shape != (5, 2):
            raise ValueError(f"the landmarks have the shape {self.landmarks.shape}, not (5, 2)")

    @property
    def area(self) -> float:
        x0, y0, x1, y1 = self.box
        return (x1 - x0) * (y1 - y0)

    @property
    def is_turned(self) -> bool:
        """Whether it looks aside, by its landmarks where it has them, else by the detector's word."""
        if self.landmarks is None:
            return self.sideways
        left, right, nose = self.landmarks[:3]
        across = right - left
        apart = math.hypot(*across)
        if apart < EYES_APART * (self.box[2] - self.box[0]):
            return True
        return abs(float((nose - (left + right) / 2) @ across)) > NOSE_ASIDE * apart**2


@dataclass(frozen=True, eq=False)
class CropBox:
    """Where a square crop of ``size`` pixels lies in its photo.

    affine (2, 3) takes crop coordinates (x, y, 1) to photo coordinates. Both are continuous: pixel i covers i to i + 1, its centre is i + 0.5
    (as in Pillow's Image.transform; cv2.warpAffine counts from centres and needs a shift by half a pixel).
    """

    affine: np.ndarray
    size: int

    @property
    def inverse(self) -> np.ndarray:
        """(2, 3): photo coordinates to crop coordinates."""
        turn = np.linalg.inv(self.affine[:, :2])
        return np.hstack([turn, -turn @ self.affine[:, 2:]])

    def to_photo(self, points: np.ndarray) -> np.ndarray:
        """(N, 2) points of the crop -> (N, 2) points of the photo."""
        return np.asarray(points, float) @ self.affine[:, :2].T + self.affine[:, 2]

    def to_crop(self, points: np.ndarray) -> np.ndarray:
        """(N, 2) points of the photo -> (N, 2) points of the crop."""
        return np.asarray(points, float) @ self.inverse[:, :2].T + self.inverse[:, 2]


def detector_name() -> str:
    """The detector in use: "yunet", "s3fd" or "dlib"."""
    return detector().name


def find_faces(rgb: np.ndarray, limit: int = MAX_FACES) -> tuple[Face, ...]:
    """The faces in an upright photo (H, W, 3) uint8, largest first, at most ``limit``; empty where there is none.

    The detector sees a copy of bounded size (see poster/detection); boxes and landmarks are in pixels of ``rgb``. Beside a face as tall as a
    third of the photo's shorter side, dlib is not asked for any that is less than about half as tall.
    """
    return largest((face for added in looks(rgb) for face in added), limit)


def looks(rgb: np.ndarray) -> Iterator[tuple[Face, ...]]:
    """:func:`find_faces` look by look, the quickest first: the faces that each one adds, in no order. At least one look."""
    height, width = rgb.shape[:2]
    chosen = detector()
    for added in chosen.looks(rgb):
        faces = []
        for found in added:
            x0, y0, x1, y1 = np.clip(found.box, 0, (width, height, width, height)).tolist()
            if x0 < x1 and y0 < y1:
                faces.append(Face((x0, y0, x1, y1), found.landmarks, found.score, chosen.name, found.sideways, found.doubtful))
        yield tuple(faces)


def largest(faces: Iterable[Face], limit: int = MAX_FACES) -> tuple[Face, ...]:
    """The ``limit`` largest faces, largest first."""
    return tuple(sorted(faces, key=lambda face: face.area, reverse=True)[:limit])


def crop_face(rgb: np.ndarray, face: Face, margin: float, size: int) -> tuple[np.ndarray, CropBox]:
    """A square crop (size, size, 3) uint8 around a face, its eyes level where landmarks are known, and where it lies in the photo.

    The square has the box's centre; each side lies ``margin`` times the box's longer side beyond the square on that longer side (0.1: a square
    1.2 times as wide as the box is long; negative cuts into the box). Beyond the photo's edge its last pixels are repeated.
    Raises ValueError for a margin of -0.5 or less, which leaves nothing.
    """
    if margin <= -0.5 or size < 1:
        raise ValueError(f"margin {margin} and size {size} leave no pixel; margin must be above -0.5 and size at least 1")
    x0, y0, x1, y1 = face.box
    scale = max(x1 - x0, y1 - y0) * (1 + 2 * margin) / size  # photo pixels a crop pixel
    angle = _roll(face)
    turn = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    centre = np.array([(x0 + x1) / 2, (y0 + y1) / 2])
    where = CropBox(np.column_stack([turn, centre - turn @ (size / 2, size / 2)]), size)
    return _sample(rgb, where, scale), where


def _roll(face: Face) -> float:
    """The slope of the line through the eyes, in radians, clockwise in the picture."""
    if face.landmarks is None:
        return 0.0
    across, down = face.landmarks[1] - face.landmarks[0]
    if math.hypot(across, down) < EYES_APART * (face.box[2] - face.box[0]):
        return 0.0
    return math.atan2(down, across)


def _sample(rgb: np.ndarray, where: CropBox, scale: float) -> np.ndarray:
    """Antialiased: whole-number averaging while the photo is much finer than the crop, then a bicubic turn, then a reduction by Lanczos's filter.

    As sharp as what the models learned from: of all of Pillow's filters these two give an enlarged FER2013 picture back best (PublicTest).
    """
    height, width = rgb.shape[:2]
    size, step = where.size, max(1, int(scale / 2))
    corners = where.to_photo(np.array([[0, 0], [size, 0], [0, size], [size, size]]))
    # The photo's part around the crop, in blocks of step x step; two blocks to spare for the interpolation.
    first, last = np.floor(corners.min(0) / step).astype(int) - 2, np.ceil(corners.max(0) / step).astype(int) + 2
    x0, y0 = np.clip(first * step, 0, ((width - 1) // step * step, (height - 1) // step * step)).tolist()
    x1, y1 = np.clip(last * step, (x0 + 1, y0 + 1), (width, height)).tolist()
    blocks = np.asarray(Image.fromarray(rgb[y0:y1, x0:x1]).reduce(step))
    rows, columns = np.arange(first[1], last[1]) - y0 // step, np.arange(first[0], last[0]) - x0 // step
    padded = blocks[rows.clip(0, len(blocks) - 1)][:, columns.clip(0, blocks.shape[1] - 1)]

    finer = max(1, math.ceil(scale / step - 1e-6))  # a crop of the photo's own pixels stays as it is, whatever was rounded
    matrix = where.affine / step
    matrix[:, :2] /= finer
    matrix[:, 2] -= first
    turned = Image.fromarray(padded).transform((size * finer, size * finer), Image.Transform.AFFINE, matrix.ravel().tolist(), Image.Resampling.BICUBIC)
    return np.array(turned.resize((size, size), Image.Resampling.LANCZOS))
