"""Untrusted photo -> upright RGB pixels, within fixed limits."""

from __future__ import annotations

import contextlib
import io
import os
import stat
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps

from poster.errors import PhotoError

MAX_BYTES = 8 * 2**20  # the file
MAX_PIXELS = 40_000_000  # width x height, from the header: a 20 KB PNG can claim 169 megapixels, half a gigabyte of RGB
MIN_SIDE = 32  # pixels; below, no face is left to look at
MAX_JPEG_SCANS = 100  # a camera writes 1, a progressive JPEG about 10; each can cost a pass over all pixels for a dozen bytes

_DAMAGED = "The photo is damaged or incomplete and cannot be read; save it again as JPEG, PNG or WebP and try once more."
_TOO_MANY_PIXELS = f"The photo has more than {MAX_PIXELS // 1_000_000} megapixels; make it smaller and try again."
_TOO_LARGE = f"The photo is larger than {MAX_BYTES // 2**20} MB; make it smaller and try again."


def read_photo(source: str | os.PathLike[str] | bytes) -> np.ndarray:
    """The first frame of a JPEG, PNG or WebP file, or of its bytes, as (height, width, 3) uint8 sRGB, turned upright by its EXIF orientation.

    The content decides what it is, never the name. Transparent pixels lie over white, 16-bit ones keep their high byte, an embedded
    colour profile is converted to sRGB. Nothing else of the file (position, camera, comments) is returned.
    Raises PhotoError with one sentence for everything that is not such a picture or lies beyond the limits above.
    """
    data = source if isinstance(source, bytes) else _read_file(Path(source))
    if len(data) > MAX_BYTES:
        raise PhotoError(_TOO_LARGE)
    kind = _kind(data)
    if kind == "WEBP":  # its decoder allocates two canvases as soon as it is opened
        _check_pixels(*_webp_size(data))
    if kind == "JPEG" and data.count(b"\xff\xda") > MAX_JPEG_SCANS:
        raise PhotoError(f"The photo is a JPEG of more than {MAX_JPEG_SCANS} scans; save it as an ordinary JPEG and try again.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's remarks on odd metadata and sizes; the limits here are stricter
            with Image.open(io.BytesIO(data), formats=(kind,)) as image:
                _check_pixels(*image.size)
                image.load()
                return np.array(_to_srgb(_upright(image)))
    except PhotoError:
        raise
    except Image.DecompressionBombError as error:
        raise PhotoError(_TOO_MANY_PIXELS) from error
    except Exception as error:  # decoders answer hostile bytes with every kind of exception
        raise PhotoError(_DAMAGED) from error


def _read_file(path: Path) -> bytes:
    """At most MAX_BYTES + 1 bytes of a regular file; never waits on a pipe or a device."""
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise PhotoError(f"{path.name!r} is not a file; name a JPEG, PNG or WebP picture.")
            if status.st_size > MAX_BYTES:
                raise PhotoError(_TOO_LARGE)
            return file.read(MAX_BYTES + 1)
    except PhotoError:
        raise
    except FileNotFoundError as error:
        raise PhotoError(f"There is no file {path.name!r}; name a JPEG, PNG or WebP picture.") from error
    except IsADirectoryError as error:
        raise PhotoError(f"{path.name!r} is a folder; name a JPEG, PNG or WebP picture.") from error
    except (OSError, ValueError) as error:  # no permission, a name too long or with a null byte
        raise PhotoError(f"The file {path.name!r} cannot be opened; name a JPEG, PNG or WebP picture that you may read.") from error


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _kind(data: bytes) -> str:
    """Pillow's name of the format, from the first bytes. Raises PhotoError for any other."""
    if not data:
        raise PhotoError("The photo is empty; name a JPEG, PNG or WebP picture.")
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp" and data[8:12] in (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif", b"avis"):
        raise PhotoError("This is a HEIC or AVIF photo, as many telephones take them; save or share it as JPEG and try again.")
    raise PhotoError("This is not a JPEG, PNG or WebP picture (its content decides, not its name); save it as one of these and try again.")


def _webp_size(data: bytes) -> tuple[int, int]:
    """Width and height in pixels from a WebP header (RFC 9649, sections 2.5 to 2.7)."""
    chunk, little = data[12:16] if len(data) > 30 else b"", lambda start, end: int.from_bytes(data[start:end], "little")
    if chunk == b"VP8X":
        return little(24, 27) + 1, little(27, 30) + 1
    if chunk == b"VP8L":
        return (little(21, 25) & 0x3FFF) + 1, (little(21, 25) >> 14 & 0x3FFF) + 1
    if chunk == b"VP8 ":
        return little(26, 28) & 0x3FFF, little(28, 30) & 0x3FFF
    raise PhotoError(_DAMAGED)


def _check_pixels(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise PhotoError(_TOO_MANY_PIXELS)
    if min(width, height) < MIN_SIDE:
        raise PhotoError(f"The photo has {width} x {height} pixels; the shorter side must have at least {MIN_SIDE}.")


def _upright(image: Image.Image) -> Image.Image:
    with contextlib.suppress(Exception):  # a malformed EXIF block: shown as stored
        return ImageOps.exif_transpose(image)
    return image


def _to_srgb(image: Image.Image) -> Image.Image:
    """Any mode a JPEG, PNG or WebP decodes to -> RGB."""
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I"):
        image = _high_byte(image)
    if image.has_transparency_data:
        layers = image.convert("RGBA")
        image = Image.new("RGB", image.size, "white")
        image.paste(layers, mask=layers.getchannel("A"))
    elif image.mode not in ("RGB", "L", "CMYK"):
        image = image.convert("RGB")
    if profile:
        with contextlib.suppress(ImageCms.PyCMSError, OSError):  # a malformed profile, or one for another mode: taken as sRGB
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if "sRGB" not in ImageCms.getProfileDescription(source):
                return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB") or image
    return image.convert("RGB")


def _high_byte(image: Image.Image) -> Image.Image:
    """16-bit grey -> 8-bit grey; Pillow itself would clip everything above 255 to white. A transparent grey value stays transparent."""
    values = np.asarray(image)
    grey = Image.fromarray((values >> 8).astype(np.uint8))
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        grey.putalpha(Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8)))
    return grey
