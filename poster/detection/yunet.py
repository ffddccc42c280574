"""YuNet (Wu, Peng and Yu 2023) through face_alignment, and how its weights get here: once, whole and verified, or not at all."""

from __future__ import annotations

import hashlib
import logging
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from poster.detection.faces import Detector, Found, distinct, resized, scaled

log = logging.getLogger(__name__)

FILE = "face_detection_yunet_2023mar.onnx"
SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"  # of the file in OpenCV's model zoo
DOWNLOAD_SECONDS = 5.0
DOWNLOAD_BYTES = 2 * 2**20

# It sees a copy of the photo of about so many pixels, enlarged at most so many times: bounded work, and faces of a size it knows.
PIXELS, ENLARGE, SCORE = 640 * 640, 2.0, 0.7
CLOSE_UP_PIXELS = 256 * 256  # it finds 98 % of close-ups 256 pixels high, 49 % at 640: so a second, cheap look
CLOSER_PIXELS = 9 * PIXELS  # where it found none: the small faces of a group


def yunet(path: Path) -> Detector:
    """From its weights, a file. face_alignment loads them; its own wrapper drops the landmarks, so the network underneath is asked."""
    import cv2
    from face_alignment.detection.yunet import FaceDetector

    if not path.is_file():
        raise FileNotFoundError(path)
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)  # OpenCV 5 remarks on a backend that nobody chose
    try:
        network = FaceDetector(device="cpu", path_to_detector=str(path), score_threshold=SCORE).face_detector
    finally:
        cv2.utils.logging.setLogLevel(level)
    lock = threading.Lock()  # the network remembers its input size

    def look(rgb: np.ndarray, pixels: int) -> list[Found]:
        small, scale = resized(rgb, pixels, ENLARGE)
        with lock:
            network.setInputSize((small.shape[1], small.shape[0]))
            rows = network.detect(np.ascontiguousarray(small[:, :, ::-1]))[1]
        rows = np.zeros((0, 15)) if rows is None else rows
        return [
            Found(scaled((x, y, x + w, y + h), scale), float(row[14]), row[4:14].reshape(5, 2).astype(float) / scale)
            for row in rows
            for x, y, w, h in [row[:4]]
        ]

    def looks(rgb: np.ndarray) -> Iterator[list[Found]]:
        yield distinct(look(rgb, PIXELS) + look(rgb, CLOSE_UP_PIXELS)) or look(rgb, CLOSER_PIXELS)

    return Detector("yunet", looks)


def cached() -> Path:
    """Where face_alignment keeps the weights."""
    import torch

    return Path(torch.hub.get_dir()) / "checkpoints" / FILE


def fetch(target: Path, url: str | None = None, sha256: str = SHA256) -> bool:
    """Fetch the weights to ``target``, whole and verified or not at all. False, with a line in the log, where that does not work in time."""
    from face_alignment.detection.yunet.yunet_detector import model_url

    deadline, data = time.monotonic() + DOWNLOAD_SECONDS, b""
    try:
        with urllib.request.urlopen(url or model_url, timeout=DOWNLOAD_SECONDS) as answer:  # noqa: S310, a constant https address
            while part := answer.read1(2**16):
                data += part
                if time.monotonic() > deadline or len(data) > DOWNLOAD_BYTES:
                    raise TimeoutError("too slow or too large")
        if hashlib.sha256(data).hexdigest() != sha256:
            raise OSError("not the file that was expected")
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as file:
            file.write(data)
        Path(file.name).replace(target)
    except OSError as error:
        log.warning("The face detector's weights cannot be fetched (%s); another detector takes over.", error)
        return False
    return True
