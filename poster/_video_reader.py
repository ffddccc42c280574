"""The child process that decodes an untrusted video: still pictures at even times, as raw pixels on stdout. Started by poster/video.py."""

from __future__ import annotations

import os
import sys

import cv2
import numpy as np

from poster import _sandbox
from poster.video import HEAD


def main(opened: int, per_second: float, seconds: float, side: int, pixels: int) -> int:
    """Write one picture every 1 / per_second seconds of the first ``seconds``, its longer side at most ``side``. Exit code 3: no video, 4: too many pixels."""
    path = _sandbox.fd_path(opened)
    cv2.setNumThreads(1)
    _sandbox.limit_resources(os.fstat(opened).st_size, _sandbox.Limits(cpu=60.0))
    _sandbox.leave_network()
    _sandbox.hide_files([opened])
    video = cv2.VideoCapture(path, cv2.CAP_FFMPEG)
    if not video.isOpened():
        return 3
    if video.get(cv2.CAP_PROP_FRAME_WIDTH) * video.get(cv2.CAP_PROP_FRAME_HEIGHT) > pixels:
        return 4
    rate = video.get(cv2.CAP_PROP_FPS)
    rate = rate if 1 <= rate <= 240 else 30.0
    wanted, index = 0.0, 0
    while video.grab():
        now = index / rate
        index += 1
        if now > seconds:
            break
        if now + 1e-6 < wanted:
            continue
        good, picture = video.retrieve()
        if not good:
            break
        wanted += 1 / per_second
        scale = min(1.0, side / max(picture.shape[:2]))
        small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else picture
        sys.stdout.buffer.write(HEAD.pack(now, *small.shape[:2]) + np.ascontiguousarray(small[:, :, ::-1]).tobytes())
    return 0 if index else 3


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])))
