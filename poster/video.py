"""Untrusted short video -> still pictures, decoded in a confined child process within fixed limits."""

from __future__ import annotations

import struct
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from poster._sandbox import clean_environment
from poster.errors import PhotoError

MAX_BYTES = 8 * 2**20  # the file
MAX_SECONDS = 15.0  # of the video; the rest is left out
PER_SECOND = 3.0  # pictures looked at
MAX_PIXELS = 1920 * 1920  # of a picture, from the header
HEAD = struct.Struct("<dII")  # of a picture from the child: seconds, height, width; then height x width x 3 bytes RGB
SIDE = 640  # pixels of the longer side of the pictures that come back
WALL_SECONDS = 90.0  # for the decoding
_MOST = int(MAX_SECONDS * PER_SECOND + 1) * (SIDE * SIDE * 3 + HEAD.size)  # bytes from the child

_DAMAGED = "This is not a video that can be read; save it as MP4, WebM or MOV and try again."
_TOO_LARGE = f"The video is larger than {MAX_BYTES // 2**20} MB; make it shorter or smaller and try again."
_TOO_MANY_PIXELS = "The video's pictures are larger than 1920 x 1920 pixels; make them smaller and try again."
ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, eq=False)
class Still:
    """One picture of a video. seconds: when; rgb: (H, W, 3) uint8."""

    seconds: float
    rgb: np.ndarray


def read_video(data: bytes) -> tuple[Still, ...]:
    """PER_SECOND pictures a second of the first MAX_SECONDS. The content decides what it is, never a name.

    Raises PhotoError with one sentence for what is no video or lies beyond the limits above.
    """
    if len(data) > MAX_BYTES:
        raise PhotoError(_TOO_LARGE)
    if data[4:8] != b"ftyp" and not data.startswith(b"\x1a\x45\xdf\xa3"):  # MP4 and MOV; WebM. Playlists that name other files never reach a decoder
        raise PhotoError(_DAMAGED)
    with tempfile.TemporaryDirectory(prefix="fer-video-") as folder, tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        numbers = (file.fileno(), PER_SECOND, MAX_SECONDS, SIDE, MAX_PIXELS)
        command = [sys.executable, "-m", "poster._video_reader", *map(str, numbers)]
        child = subprocess.Popen(command, cwd=ROOT, env=clean_environment(folder), pass_fds=[file.fileno()], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        watch = threading.Timer(WALL_SECONDS, child.kill)
        watch.start()
        with child:
            assert child.stdout is not None
            out = child.stdout.read(_MOST + 1)
            if len(out) > _MOST:
                child.kill()
        watch.cancel()
        code = child.returncode
    if code == 4:
        raise PhotoError(_TOO_MANY_PIXELS)
    if code != 0 or len(out) > _MOST or not (stills := _stills(out)):
        raise PhotoError(_DAMAGED)
    return stills


def _stills(out: bytes) -> tuple[Still, ...]:
    found, at = [], 0
    while at + HEAD.size <= len(out):
        seconds, height, width = HEAD.unpack_from(out, at)
        at += HEAD.size
        if not 0 < height * width <= SIDE * SIDE or at + 3 * height * width > len(out):
            raise PhotoError(_DAMAGED)
        found.append(Still(seconds, np.frombuffer(out, np.uint8, 3 * height * width, at).reshape(height, width, 3)))
        at += 3 * height * width
    return tuple(found)
