"""Pictures written by hand for the tests of photos, and the way a refusal is checked."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from poster.errors import PhotoError
from poster.photo import read_photo


def picture(width: int = 64, height: int = 48) -> np.ndarray:
    """Smooth colours with a red corner at the top left, so that any turn shows."""
    y, x = np.mgrid[:height, :width]
    rgb = np.stack([60 + x, 60 + y, 200 - x], 2).astype(np.uint8)
    rgb[: height // 4, : width // 4] = (255, 0, 0)
    return rgb


def encode(image: Image.Image | np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, depth: int, colour: int, row: bytes, rows: int | None = None, extra: bytes = b"") -> bytes:
    """A PNG written by hand: every row holds the same bytes; ``rows`` fewer than the header claims makes it a truncated one."""
    squeeze = zlib.compressobj(9)
    pixels = b"".join(squeeze.compress(b"\0" + row) for _ in range(height if rows is None else rows)) + squeeze.flush()
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def refused(source: object) -> str:
    with pytest.raises(PhotoError) as caught:
        read_photo(source)
    sentence = str(caught.value)
    assert sentence.endswith((".",)) and "\n" not in sentence and "Traceback" not in sentence
    return sentence
