"""Face detectors of the face_alignment package behind one shape: YuNet or S3FD where their weights are at hand, else dlib, which needs none.

Cost of one 512 x 512 photo on one core: YuNet 30 ms, dlib two to three times that, S3FD 2 s. S3FD therefore runs only where its weights are named.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

log = logging.getLogger(__name__)

WEIGHTS_SETTING = "FER_FACE_WEIGHTS"  # a YuNet .onnx or S3FD .pth file
DOWNLOAD_SETTING = "FER_ALLOW_DOWNLOAD"  # "1": YuNet's weights may be fetched once into face_alignment's cache
YUNET_FILE = "face_detection_yunet_2023mar.onnx"
YUNET_SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"  # of the file in OpenCV's model zoo
DOWNLOAD_SECONDS = 5.0
DOWNLOAD_BYTES = 2 * 2**20

# Detection sees a copy of the photo of about so many pixels, enlarged at most so many times: bounded work, and faces of a size the detector knows.
YUNET_PIXELS, YUNET_ENLARGE, YUNET_SCORE = 640 * 640, 2.0, 0.7
YUNET_CLOSE_UP_PIXELS = 256 * 256  # YuNet finds 98 % of close-ups 256 pixels high, 49 % at 640: so a second, cheap look
DLIB_PIXELS, DLIB_ENLARGE = 2_000_000, 4.0  # its smallest face is 80 pixels of the copy
# Where no face has DLIB_SCORE, those with DLIB_DOUBTFUL count. Of 200 FER2013 faces (PublicTest) in photos 175 are found so, 154 without; in 300 cuttings
# from photos of other things (coins, with their heads, left out) two faces that are none, without it none.
DLIB_SCORE, DLIB_DOUBTFUL = 0.2, -0.2
DLIB_FINE_PIXELS, DLIB_FINE_ENLARGE = 1_000_000, 2.0  # a copy of so many pixels is enlarged less: faces under 40 pixels hold less than any model reads
# Beside a face as tall as that share of the photo's shorter side, only faces about half as tall count; a copy of so many times fewer pixels shows them.
DLIB_CLOSE_UP, DLIB_COARSER = 1 / 3, 4
DLIB_CLOSER_PIXELS = 8_000_000  # where it found none: the small faces of a group. Half a second, so only then
YUNET_CLOSER_PIXELS = 9 * YUNET_PIXELS  # likewise
DLIB_SIDEWAYS = (1, 2)  # of its five templates: frontal, looking left, looking right, and two of a tilted frontal face
S3FD_PIXELS, S3FD_ENLARGE = 512 * 512, 2.0
SAME_FACE = 0.4  # intersection over union from which two boxes are one face
Box = tuple[float, float, float, float]

# dlib draws a square from the brows to the chin. As shares of that square, the box the others draw: hairline to chin, ear to ear.
# Medians over 600 FER2013 pictures, against YuNet's box (see FER2013_MARGIN in face.py for the same pictures).
DLIB_TO_FACE = (0.055, -0.155, 0.945, 1.005)


@dataclass(frozen=True)
class Found:
    """One face: box (x0, y0, x1, y1) in pixels, from hairline to chin and ear to ear; score, higher is surer, comparable within a detector only;
    landmarks (5, 2) x, y in pixels (eye, eye, nose, mouth corner, mouth corner, each pair from the left of the picture) or None;
    sideways: whether the detector took it for a face that looks aside."""

    box: Box
    score: float
    landmarks: np.ndarray | None = None
    sideways: bool = False


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


def detector() -> Detector:
    """The detector in use, made at the first call: the weights that FER_FACE_WEIGHTS names, YuNet from face_alignment's cache,
    YuNet fetched (only with FER_ALLOW_DOWNLOAD=1, once a process, at most DOWNLOAD_SECONDS), else dlib."""
    with _making:
        return _make(os.environ.get(WEIGHTS_SETTING, ""), os.environ.get(DOWNLOAD_SETTING, "") in ("1", "true", "yes"))


_making = threading.Lock()


@lru_cache(maxsize=4)
def _make(weights: str, download: bool) -> Detector:
    if weights:
        try:
            return _s3fd(Path(weights)) if weights.endswith(".pth") else _yunet(Path(weights))
        except Exception as error:  # an unreadable file must not take the photos down with it
            log.warning("The face detector weights named by %s cannot be used (%s); another detector takes over.", WEIGHTS_SETTING, type(error).__name__)
    try:
        cached = _cached_yunet()
        if cached.is_file() or (download and _fetch(cached)):
            return _yunet(cached)
    except Exception as error:
        log.warning("YuNet cannot be used (%s); another detector takes over.", type(error).__name__)
    return _dlib()


def _yunet(path: Path) -> Detector:
    """YuNet (Wu, Peng and Yu 2023). face_alignment loads it; its own wrapper drops the landmarks, so the network underneath is asked."""
    import cv2
    from face_alignment.detection.yunet import FaceDetector

    if not path.is_file():
        raise FileNotFoundError(path)
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)  # OpenCV 5 remarks on a backend that nobody chose
    try:
        network = FaceDetector(device="cpu", path_to_detector=str(path), score_threshold=YUNET_SCORE).face_detector
    finally:
        cv2.utils.logging.setLogLevel(level)
    lock = threading.Lock()  # the network remembers its input size

    def look(rgb: np.ndarray, pixels: int) -> list[Found]:
        small, scale = _resized(rgb, pixels, YUNET_ENLARGE)
        with lock:
            network.setInputSize((small.shape[1], small.shape[0]))
            rows = network.detect(np.ascontiguousarray(small[:, :, ::-1]))[1]
        rows = np.zeros((0, 15)) if rows is None else rows
        return [
            Found(_scaled((x, y, x + w, y + h), scale), float(row[14]), row[4:14].reshape(5, 2).astype(float) / scale)
            for row in rows
            for x, y, w, h in [row[:4]]
        ]

    def looks(rgb: np.ndarray) -> Iterator[list[Found]]:
        yield _distinct(look(rgb, YUNET_PIXELS) + look(rgb, YUNET_CLOSE_UP_PIXELS)) or look(rgb, YUNET_CLOSER_PIXELS)

    return Detector("yunet", looks)


def _dlib() -> Detector:
    """dlib's histogram-of-gradients detector (King 2009), which comes with face_alignment and needs no weights of its own."""
    import dlib

    # It keeps the picture it looks at, and releases Python's lock: with a copy a photo under way, photos are looked at side by side. A copy
    # keeps the features of its last picture, so one a thread would cost a server with many threads far more than it ever uses at once.
    idle: list[dlib.fhog_object_detector] = []
    left, top, right, bottom = DLIB_TO_FACE

    def look(photo: np.ndarray, pixels: float) -> list[Found]:
        grey, scale = _resized(photo, pixels, DLIB_ENLARGE)
        try:
            network = idle.pop()
        except IndexError:
            network = dlib.get_frontal_face_detector()
        squares, scores, kinds = network.run(grey, 0, DLIB_DOUBTFUL)
        if pixels <= DLIB_PIXELS:  # the features of a larger picture are not worth their memory
            idle.append(network)
        found = []
        for square, score, kind in zip(squares, scores, kinds, strict=True):
            x, y, side = square.left(), square.top(), square.width()
            box = _scaled((x + left * side, y + top * side, x + right * side, y + bottom * side), scale)
            found.append(Found(box, float(score), sideways=kind in DLIB_SIDEWAYS))
        return found

    def sure(found: list[Found]) -> list[Found]:
        return [face for face in found if face.score >= DLIB_SCORE]

    def looks(rgb: np.ndarray) -> Iterator[list[Found]]:
        photo, coarse, first = np.asarray(Image.fromarray(rgb).convert("L")), [], []
        usual = _dlib_pixels(photo.size)
        if usual >= DLIB_FINE_PIXELS:
            coarse = look(photo, usual / DLIB_COARSER)
            yield (first := sure(coarse))
            if any(face.box[3] - face.box[1] >= DLIB_CLOSE_UP * min(photo.shape) for face in first):
                return
        fine = look(photo, usual)
        yield (more := [face for face in sure(fine) if not any(overlap(face.box, known.box) > SAME_FACE for known in first)])
        if not first + more:
            closer = photo.size * DLIB_ENLARGE**2 > usual  # else that look was as close as any
            yield (sure(look(photo, DLIB_CLOSER_PIXELS)) if closer else []) or _distinct(coarse + fine)

    return Detector("dlib", looks)


def _dlib_pixels(photo: int) -> float:
    """Pixels of a photo -> of the copy that dlib looks at."""
    return min(photo * DLIB_ENLARGE**2, max(DLIB_FINE_PIXELS, min(photo * DLIB_FINE_ENLARGE**2, DLIB_PIXELS)))


def _s3fd(path: Path) -> Detector:
    """S3FD (Zhang et al. 2017); face_alignment reads the weights with ``weights_only=True``. Its boxes follow WIDER FACE like YuNet's."""
    from face_alignment.detection.sfd import FaceDetector

    network = FaceDetector(device="cpu", path_to_detector=str(path))

    def looks(rgb: np.ndarray) -> Iterator[list[Found]]:
        small, scale = _resized(rgb, S3FD_PIXELS, S3FD_ENLARGE)
        yield [Found(_scaled(row[:4], scale), float(row[4])) for row in network.detect_from_image(small)]

    return Detector("s3fd", looks)


def _resized(photo: np.ndarray, pixels: float, enlarge: float) -> tuple[np.ndarray, float]:
    """The photo, RGB (H, W, 3) or grey (H, W), at about ``pixels`` pixels, and the factor from photo to copy."""
    height, width = photo.shape[:2]
    scale = min((pixels / (height * width)) ** 0.5, enlarge)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(Image.fromarray(photo).resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)), scale


def _scaled(box: np.ndarray | tuple[float, ...], scale: float) -> Box:
    x0, y0, x1, y1 = (float(value) / scale for value in box)
    return x0, y0, x1, y1


def overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes."""
    wide, tall = min(one[2], other[2]) - max(one[0], other[0]), min(one[3], other[3]) - max(one[1], other[1])
    shared = max(0.0, wide) * max(0.0, tall)
    return shared / ((one[2] - one[0]) * (one[3] - one[1]) + (other[2] - other[0]) * (other[3] - other[1]) - shared)


def _distinct(found: list[Found]) -> list[Found]:
    """Several looks at one photo -> each face once, the surest box of it, the surest face first."""
    kept: list[Found] = []
    for face in sorted(found, key=lambda one: one.score, reverse=True):
        if all(overlap(face.box, other.box) <= SAME_FACE for other in kept):
            kept.append(face)
    return kept


def _cached_yunet() -> Path:
    import torch

    return Path(torch.hub.get_dir()) / "checkpoints" / YUNET_FILE


def _fetch(target: Path, url: str | None = None, sha256: str = YUNET_SHA256) -> bool:
    """Fetch YuNet's weights to ``target``, whole and verified or not at all. False, with a line in the log, where that does not work in time."""
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
