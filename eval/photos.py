"""A face picture turned into the photo somebody might upload: every condition a pure function of the picture and a seed, all of them one table."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from eval.corruptions import CORRUPTIONS, Pixels
from poster.face import Face

BASE = 240  # pixels a side the face has in a photo, wherever a condition is about something else than size
CANVAS = (480, 640)  # rows and columns of the photo in which the face has to be found
SMALLEST, LARGEST = 96, 400  # sides of a face in the photo with everything at once
BRIGHTER = 1.5  # times the light


@dataclass(frozen=True)
class Photo:
    """rgb: (H, W, 3) uint8; left, top, side: the square, in pixels of ``rgb``, that a crop is to show; quality: of the JPEG, None for a PNG."""

    rgb: Pixels
    left: float
    top: float
    side: float
    quality: int | None = None

    def upload(self) -> bytes:
        """The file that reaches the app."""
        buffer = io.BytesIO()
        if self.quality is None:
            Image.fromarray(self.rgb).save(buffer, "PNG", compress_level=0)
        else:
            Image.fromarray(self.rgb).save(buffer, "JPEG", quality=self.quality)
        return buffer.getvalue()

    def face(self, margin: float) -> Face:
        """The face whose crop with the contract's ``margin`` is exactly the square."""
        spare = self.side * margin / (1 + 2 * margin)
        left, top, side = self.left + spare, self.top + spare, self.side / (1 + 2 * margin)
        return Face((left, top, left + side, top + side))


Change = Callable[[Pixels, int], Photo]  # a picture (S, S) or (S, S, 3) uint8 and its seed -> the photo


@dataclass(frozen=True)
class Condition:
    """kind: what it is about, in the words of the page; about: what is done; finds: whether the app has to find the face by itself."""

    name: str
    kind: str
    about: str
    change: Change
    finds: bool = False


def enlarged(picture: Pixels, seed: int, side: int = BASE) -> Photo:
    """The picture ``side`` pixels wide, bicubic, grey as it was: the photo is nothing but the face."""
    rgb = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)
    if rgb.shape[0] != side:
        rgb = np.asarray(Image.fromarray(rgb).resize((side, side), Image.Resampling.BICUBIC))
    return Photo(rgb, 0, 0, side)


def drawn(seed: int, what: str) -> np.random.Generator:
    """The random numbers of one picture for one purpose: its colour says nothing about its size."""
    return np.random.default_rng([seed, *what.encode()])


def lit(rgb: Pixels, light: NDArray[np.float64]) -> Pixels:
    """Each channel times its share of the light, which broadcasts to (H, W, 3)."""
    return np.clip(np.rint(rgb * light), 0, 255).astype(np.uint8)


def skin(seed: int) -> NDArray[np.float64]:
    """A skin's red, green and blue for a white of 1: from pale to dark."""
    rng = drawn(seed, "skin")
    green = rng.uniform(0.65, 0.85)
    return np.array([1.0, green, green * rng.uniform(0.65, 0.9)])


def coloured(picture: Pixels, seed: int) -> Photo:
    """A skin's colour, each picture its own."""
    photo = enlarged(picture, seed)
    return replace(photo, rgb=lit(photo.rgb, skin(seed)))


def lamps(picture: Pixels, seed: int) -> Photo:
    """A warm lamp on one side, a cold one on the other; odd seeds the other way round."""
    photo = enlarged(picture, seed)
    warm, cold = np.array([1.15, 0.85, 0.5]), np.array([0.6, 0.9, 1.15])
    across = np.linspace(0, 1, photo.rgb.shape[1])[None, :, None]
    left, right = (warm, cold) if seed % 2 == 0 else (cold, warm)
    return replace(photo, rgb=lit(photo.rgb, left * (1 - across) + right * across))


def damaged(picture: Pixels, seed: int, corruption: str, severity: int) -> Photo:
    """One of eval/corruptions.py."""
    photo = enlarged(picture, seed)
    return replace(photo, rgb=CORRUPTIONS[corruption](photo.rgb, severity, seed))


def brighter(picture: Pixels, seed: int) -> Photo:
    """Half as much light again; what was light already turns white."""
    photo = enlarged(picture, seed)
    return replace(photo, rgb=lit(photo.rgb, np.array(BRIGHTER)))


def compressed(picture: Pixels, seed: int, quality: int) -> Photo:
    """A JPEG."""
    return replace(enlarged(picture, seed), quality=quality)


def mirrored(picture: Pixels, seed: int) -> Photo:
    """Left and right swapped."""
    return enlarged(np.ascontiguousarray(picture[:, ::-1]), seed)


def framed(picture: Pixels, seed: int, grown: float = 0.0, aside: float = 0.0) -> Photo:
    """The box ``grown`` by a share of its side about its middle, and ``aside`` by a share of it in a direction of the seed's."""
    photo = enlarged(picture, seed)
    angle = drawn(seed, "direction").uniform(0, 2 * np.pi)
    left = -photo.side * (grown / 2 - aside * np.cos(angle))
    top = -photo.side * (grown / 2 - aside * np.sin(angle))
    return replace(photo, left=float(left), top=float(top), side=photo.side * (1 + grown))


def backdrop(seed: int) -> Pixels:
    """A colourful background of CANVAS pixels: large soft patches of random colours with the grain of a camera."""
    rng = drawn(seed, "backdrop")
    patches = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize(CANVAS[::-1], Image.Resampling.BICUBIC)
    return np.clip(np.asarray(patches) + rng.integers(-6, 7, (*CANVAS, 3)), 0, 255).astype(np.uint8)


def pasted(face: Photo, seed: int) -> Photo:
    """A face somewhere in front of the backdrop, wholly inside."""
    rng = drawn(seed, "place")
    canvas, side = backdrop(seed), face.rgb.shape[0]
    top, left = (int(rng.integers(0, room - side + 1)) for room in CANVAS)
    canvas[top : top + side, left : left + side] = face.rgb
    return replace(face, rgb=canvas, left=left, top=top)


def hidden(picture: Pixels, seed: int) -> Photo:
    """The grey face in a colourful photo."""
    return pasted(enlarged(picture, seed), seed)


def snapshot(picture: Pixels, seed: int) -> Photo:
    """Everything at once: a skin's colour, any size, a colourful photo, a JPEG as telephones send them."""
    side = round(float(np.exp(drawn(seed, "size").uniform(np.log(SMALLEST), np.log(LARGEST)))))
    face = enlarged(picture, seed, side)
    return replace(pasted(replace(face, rgb=lit(face.rgb, skin(seed))), seed), quality=75)


CONDITIONS = (
    *(Condition(f"{side} px", "size", f"{side} x {side} pixels, PNG", partial(enlarged, side=side)) for side in (48, 96, BASE, 600)),
    Condition("skin", "colour", "a skin's colour, each picture its own", coloured),
    Condition("lamps", "colour", "a warm lamp on one side, a cold one on the other", lamps),
    Condition("blurred", "blur and light", "Gaussian blur of 2 % of the side", partial(damaged, corruption="blur", severity=3)),
    Condition("JPEG 30", "blur and light", "JPEG of quality 30", partial(compressed, quality=30)),
    Condition("darker", "blur and light", "half the light", partial(damaged, corruption="brightness", severity=2)),
    Condition("brighter", "blur and light", "half as much light again, cut at white", brighter),
    Condition("mirrored", "mirror", "left and right swapped", mirrored),
    Condition("box -10 %", "crop margin", "the face's box a tenth too small", partial(framed, grown=-0.1)),
    Condition("box +10 %", "crop margin", "a tenth too large", partial(framed, grown=0.1)),
    Condition("box +20 %", "crop margin", "a fifth too large", partial(framed, grown=0.2)),
    Condition("box aside", "crop margin", "5 % of its side away, in any direction", partial(framed, aside=0.05)),
    Condition("found", "face finder", f"grey, {BASE} pixels wide, in a colourful photo of {CANVAS[1]} x {CANVAS[0]}", hidden, finds=True),
    Condition("snapshot", "face finder", f"the same, coloured, {SMALLEST} to {LARGEST} pixels wide, JPEG of quality 75", snapshot, finds=True),
)
