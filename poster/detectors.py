"""Face detectors of the face_alignment package behind one shape: YuNet or S3FD where their weights are at hand, else dlib, which needs none.

Cost of one 512 x 512 photo on one core: YuNet 30 ms, dlib two to three times that, S3FD 2 s. S3FD therefore runs only where its weights are named.
"""

from __future__ import annotations

import logging
import os
import threading
from functools import lru_cache
from pathlib import Path

from poster.detection.faces import Detector

log = logging.getLogger(__name__)

WEIGHTS_SETTING = "FER_FACE_WEIGHTS"  # a YuNet .onnx or S3FD .pth file
DOWNLOAD_SETTING = "FER_ALLOW_DOWNLOAD"  # "1": YuNet's weights may be fetched once into face_alignment's cache


def detector() -> Detector:
    """The detector in use, made at the first call: the weights that FER_FACE_WEIGHTS names, YuNet from face_alignment's cache,
    YuNet fetched (only with FER_ALLOW_DOWNLOAD=1, once a process, in a few seconds or not), else dlib."""
    with _making:
        return _make(os.environ.get(WEIGHTS_SETTING, ""), os.environ.get(DOWNLOAD_SETTING, "") in ("1", "true", "yes"))


_making = threading.Lock()


@lru_cache(maxsize=4)
def _make(weights: str, download: bool) -> Detector:
    from poster.detection import dlib_faces, s3fd, yunet  # each brings a library that takes its time

    if weights:
        try:
            return s3fd.s3fd(Path(weights)) if weights.endswith(".pth") else yunet.yunet(Path(weights))
        except Exception as error:  # an unreadable file must not take the photos down with it
            log.warning("The face detector weights named by %s cannot be used (%s); another detector takes over.", WEIGHTS_SETTING, type(error).__name__)
    try:
        cached = yunet.cached()
        if cached.is_file() or (download and yunet.fetch(cached)):
            return yunet.yunet(cached)
    except Exception as error:
        log.warning("YuNet cannot be used (%s); another detector takes over.", type(error).__name__)
    return dlib_faces.dlib_faces()
