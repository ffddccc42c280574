"""S3FD (Zhang et al. 2017) through face_alignment: its boxes follow WIDER FACE like YuNet's. 2 s a photo on one core."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from poster.detection.faces import Detector, Found, resized, scaled

PIXELS, ENLARGE = 512 * 512, 2.0


def s3fd(path: Path) -> Detector:
    """From its weights, a .pth file, which face_alignment reads with ``weights_only=True``."""
    from face_alignment.detection.sfd import FaceDetector

    network = FaceDetector(device="cpu", path_to_detector=str(path))

    def looks(rgb: np.ndarray) -> Iterator[list[Found]]:
        small, scale = resized(rgb, PIXELS, ENLARGE)
        yield [Found(scaled(row[:4], scale), float(row[4])) for row in network.detect_from_image(small)]

    return Detector("s3fd", looks)
