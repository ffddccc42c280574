"""Photos on their way in: read once within the limit, removed from disk at once, held in memory for a while."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from poster.photo import MAX_BYTES

if TYPE_CHECKING:
    from poster.face import Face


def photo_input(**options: Any) -> gr.Image:
    """Gradio's image input without its own decoding, which knows no limits: handlers get the path of the uploaded file, unopened."""
    image = gr.Image(type="filepath", image_mode=None, **options)
    image.preprocess = lambda payload: None if payload is None else payload.path
    return image


def checkpoint_input(**options: Any) -> gr.File:
    """Gradio's file input without the empty copy it would leave behind: handlers get the path of the uploaded file."""
    file = gr.File(type="filepath", **options)
    file.preprocess = lambda payload: None if payload is None else payload.path
    return file


@dataclass(frozen=True)
class Held:
    """A photo as its file's bytes, kept in this process's memory so that it can be looked at again with other settings.

    known: its faces, once they were looked for (see Engine.answers).
    """

    data: bytes = field(repr=False)
    is_example: bool = False
    known: list[tuple[Face, ...]] = field(default_factory=list, repr=False, compare=False)


def take(path: str) -> bytes:
    """The bytes of an uploaded file, at most one more than allowed; the file and its folder are gone afterwards, whatever happens."""
    try:
        with Path(path).open("rb") as opened:
            return opened.read(MAX_BYTES + 1)
    finally:
        drop(path)


def drop(path: str) -> None:
    """Remove an uploaded file, and its folder where nothing else is in it."""
    with contextlib.suppress(OSError):
        Path(path).unlink()
        Path(path).parent.rmdir()


def moved(path: str, folder: Path) -> Path:
    """An uploaded file moved into ``folder`` under its own name; its upload folder is gone afterwards."""
    file = Path(path)
    target = folder / file.name
    shutil.move(file, target)
    with contextlib.suppress(OSError):
        file.parent.rmdir()
    return target


@cache
def example() -> bytes:
    """NASA's portrait of Eileen Collins (public domain), as scikit-image ships it: a PNG of 512 x 512."""
    import skimage.data

    return (Path(skimage.data.__file__).parent / "astronaut.png").read_bytes()
