"""A photo and a model's name -> what the page shows. Models are loaded once, at the first question or in the background, and kept."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from poster.errors import InputError
from poster.face import detector_name, find_faces
from poster.photo import read_photo
from poster.shipped import model_path, shipped_models

if TYPE_CHECKING:
    from poster.predict import Prediction

log = logging.getLogger(__name__)

SHOWN_SIDE = 1200  # pixels of the longer side of the copy that goes back to the page
SOURCES = {"features": "Image features", "attention": "Landmarks reading the image"}


@dataclass(frozen=True, eq=False)
class Answer:
    """What a model says of a photo.

    photo: (h, w, 3) uint8, reduced to SHOWN_SIDE; heat: (h, w) float32 in 0..1 over it. predictions: boxes in pixels of the full
    upright photo of ``width`` x ``height`` pixels. detector: "dlib", "yunet", "s3fd", or "none" for the whole picture. seconds: all of it.
    """

    photo: np.ndarray
    heat: np.ndarray
    predictions: tuple[Prediction, ...]
    width: int
    height: int
    model: str
    source: str
    detector: str
    seconds: float


class Engine:
    """The models of this process. Safe to call from several threads; one photo is at a model at a time."""

    def __init__(self, model: str) -> None:
        self._default = model
        self._models: dict[str, Any] = {}
        self._loading, self._working = threading.Lock(), threading.Lock()

    @property
    def names(self) -> tuple[str, ...]:
        """The models to choose from, the default one first."""
        first = Path(self._default).stem
        return (first, *(name for name in shipped_models() if name != first))

    def load(self, name: str = "") -> Any:
        """The model in eval mode. Raises InputError for a name that is not offered: a visitor's word never becomes a path."""
        name = name or self.names[0]
        if name not in self.names:
            raise InputError(f"There is no model of that name here; there are {', '.join(self.names)}.")
        with self._loading:
            if name not in self._models:
                from poster.checkpoint import load_model

                self._models[name] = load_model(model_path(self._default if name == self.names[0] else name))
        return self._models[name]

    def answer(self, data: bytes, model: str = "", source: str = "features", whole: bool = False) -> Answer:
        """Look at a photo's bytes. whole: take the whole picture as one face. Without a face ``predictions`` is empty.

        Raises InputError (PhotoError, CheckpointError among them), one sentence, for what the visitor can mend.
        """
        start = time.monotonic()
        rgb = read_photo(data)
        if source not in SOURCES:
            raise InputError(f"There is no heatmap of that name; there are {', '.join(SOURCES)}.")
        network = self.load(model)
        from poster.predict import over_photo, predict, whole_picture

        faces = (whole_picture(rgb),) if whole else find_faces(rgb)
        with self._working:  # the heatmap listens inside the model while it runs
            predictions = predict(network, rgb, faces, (source,))
        height, width = rgb.shape[:2]
        shown = Image.fromarray(rgb)
        shown.thumbnail((SHOWN_SIDE, SHOWN_SIDE), reducing_gap=2.0)
        heat = over_photo(tuple(_scaled(one, shown.width / width) for one in predictions), source, *shown.size)
        detector = "none" if whole else detector_name()
        return Answer(np.asarray(shown), heat, predictions, width, height, model or self.names[0], source, detector, time.monotonic() - start)


def _scaled(prediction: Prediction, scale: float) -> Prediction:
    """The same with its crop placed in a copy of the photo that is ``scale`` times as wide."""
    crop = prediction.crop
    return replace(prediction, crop=replace(crop, affine=crop.affine * scale) if crop else None)
