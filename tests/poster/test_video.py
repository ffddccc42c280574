"""Short videos: still pictures within the limits; everything else a sentence."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from poster import video
from poster.errors import PhotoError
from poster.video import MAX_BYTES, MAX_SECONDS, PER_SECOND, SIDE, read_video


def clip(path: Path, pictures: int = 20, rate: float = 10.0, size: tuple[int, int] = (96, 64)) -> bytes:
    """Grey pictures, each brighter than the one before."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), rate, size)
    for number in range(pictures):
        writer.write(np.full((size[1], size[0], 3), 20 + 200 * number // pictures, np.uint8))
    writer.release()
    return path.read_bytes()


def test_pictures_at_even_times(tmp_path: Path) -> None:
    stills = read_video(clip(tmp_path / "a.mp4"))
    assert [round(one.seconds, 2) for one in stills] == [0.0, 0.4, 0.7, 1.0, 1.4, 1.7] and PER_SECOND == 3
    assert {one.rgb.shape for one in stills} == {(64, 96, 3)}
    assert [float(one.rgb.mean()) for one in stills] == pytest.approx([20 + 200 * n // 20 for n in (0, 4, 7, 10, 14, 17)], abs=4)


def test_the_rest_of_a_long_video_is_left_out_and_large_pictures_are_reduced(tmp_path: Path) -> None:
    stills = read_video(clip(tmp_path / "long.mp4", pictures=40, rate=2.0, size=(1280, 320)))
    assert stills[-1].seconds <= MAX_SECONDS and len(stills) == 31 and stills[0].rgb.shape == (160, SIDE, 3)


def test_what_is_no_video_gets_a_sentence(tmp_path: Path) -> None:
    good = clip(tmp_path / "a.mp4")
    for bad in (b"", b"text", b"#EXTM3U\nfile:///etc/passwd\n", good[:300], b"\x1a\x45\xdf\xa3" + bytes(500)):
        with pytest.raises(PhotoError, match="not a video"):
            read_video(bad)


def test_the_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PhotoError, match="larger than 8 MB"):
        read_video(b"....ftyp" + bytes(MAX_BYTES))
    good = clip(tmp_path / "a.mp4")
    monkeypatch.setattr(video, "MAX_PIXELS", 96 * 64 - 1)
    with pytest.raises(PhotoError, match="larger than 1920"):
        read_video(good)
    monkeypatch.setattr(video, "MAX_PIXELS", 96 * 64)
    monkeypatch.setattr(video, "WALL_SECONDS", 0.01)
    with pytest.raises(PhotoError, match="not a video"):
        read_video(good)
