"""A photo and a model's name -> what the page shows. Models are loaded once, at the first question or in the background, and kept."""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from poster.errors import InputError
from poster.face import detector_name, find_faces, largest, looks
from poster.labels import EXPRESSIONS
from poster.photo import read_photo
from poster.shipped import model_path, shipped_models
from space.gather import Gather
from space.own_model import OwnModel, read_own

if TYPE_CHECKING:
    from poster.face import Face
    from poster.predict import Prediction

log = logging.getLogger(__name__)

SHOWN_SIDE = 1200  # pixels of the longer side of the copy that goes back to the page
MODELS_KEPT = 3  # in memory; the one longest unused makes room
OWN_KEPT, OWN = 2, "own:"  # visitors' own models in memory, likewise; how their names begin
TOGETHER = 8  # photos at the model at once
EYES = max(2, os.cpu_count() or 2)  # photos that are decoded and searched for faces at once; a large one takes 200 MB meanwhile
SOURCES = {  # what poster.attention draws, its default first; said here too since the page needs them before torch
    "integrated": "What raises the answer, pixel by pixel (measured best)",
    "features": "Image features",
    "landmarks": "Landmark features",
    "attention": "Landmarks reading the image",
    "relevance": "Attention through the whole model",
    "steering": "Landmarks that steered the answer",
}
LEVELS = ("fine", "middle", "coarse")  # the pyramid of both streams


class NoHeatmap(InputError):
    """The model answers, but cannot draw the heatmap that was asked for."""


@dataclass(frozen=True)
class Heat:
    """Which heatmap: drawn from a source, at one level ("" for all together), for one expression ("" for each face's strongest)."""

    source: str = "integrated"
    level: str = ""
    label: str = ""

    def __post_init__(self) -> None:
        offered = (("heatmap", self.source, tuple(SOURCES)), ("level", self.level, ("", *LEVELS)), ("expression", self.label, ("", *EXPRESSIONS)))
        for what, value, known in offered:
            if value not in known:
                raise InputError(f"There is no {what} of that name; there are {', '.join(filter(None, known))}.")

    @property
    def number(self) -> int | None:
        """The level counted from the finest, None for all."""
        return LEVELS.index(self.level) if self.level else None

    @property
    def words(self) -> str:
        """What it shows, in words."""
        return f"{SOURCES[self.source].split(' (')[0].lower()}, {self.level or 'all levels'}, {self.label or 'strongest expression'}"


@dataclass(frozen=True, eq=False)
class Answer:
    """What a model says of a photo.

    photo: (h, w, 3) uint8, reduced to SHOWN_SIDE; heat: (h, w) float32 in 0..1 over it, None where none was asked for. predictions: boxes
    in pixels of the full upright photo of ``width`` x ``height`` pixels. detector: "dlib", "yunet", "s3fd", or "none" for the whole picture.
    seconds: all of it. remark: why there is no heatmap although one was asked for, a sentence.
    """

    photo: np.ndarray
    heat: np.ndarray | None
    predictions: tuple[Prediction, ...]
    width: int
    height: int
    model: str
    heatmap: Heat | None
    detector: str
    seconds: float
    remark: str = ""


class Engine:
    """The models of this process. Safe to call from several threads; photos that come at the same time go through the model together.

    model: the default one, a shipped name or a file. evaluated: the models submitted and evaluated here, name -> safetensors file, asked anew each time.
    """

    def __init__(self, model: str, evaluated: Callable[[], Mapping[str, Path]] = dict) -> None:
        self._default, self._evaluated = model, evaluated
        self._models: OrderedDict[Path, Any] = OrderedDict()
        self._own: OrderedDict[str, OwnModel] = OrderedDict()
        self._loading, self._eyes = threading.Lock(), threading.Semaphore(EYES)
        self._gather, self._searches = Gather(self._predict, TOGETHER), ThreadPoolExecutor(EYES, "search")

    @property
    def first(self) -> str:
        """The default model's name, known without asking which others there are."""
        return Path(self._default).stem

    @property
    def names(self) -> tuple[str, ...]:
        """The models to choose from, the default one first, whether or not its file is there."""
        return (self.first, *(name for name in (*shipped_models(), *self._evaluated()) if name != self.first))

    def _file(self, name: str) -> Path | None:
        """Of a model to choose from, None for any other name. Raises CheckpointError when the default one is not there."""
        if name == self.first:
            return model_path(self._default)
        if name in shipped_models():
            return model_path(name)
        path = self._evaluated().get(name)
        return path if path and path.is_file() else None

    @property
    def is_busy(self) -> bool:
        """Whether a photo is at a model now."""
        return self._gather.is_busy

    def adopt(self, path: Path) -> tuple[str, OwnModel]:
        """A visitor's own checkpoint -> the name it can be asked by, until others need its place. Raises CheckpointError, one sentence."""
        own, name = read_own(path), OWN + secrets.token_hex(16)
        with self._loading:
            self._own[name] = own
            while len(self._own) > OWN_KEPT:
                self._own.popitem(last=False)
        return name, own

    def title(self, name: str) -> str:
        """How a model is called on the page."""
        own = self._own.get(name)
        return own.title if own else name or self.first

    def load(self, name: str = "") -> Any:
        """The model in eval mode. Raises InputError for a name that is not offered: a visitor's word never becomes a path."""
        if name.startswith(OWN):
            with self._loading:
                if name not in self._own:
                    raise InputError("Your model is no longer in memory; choose its file again.")
                self._own.move_to_end(name)
                return self._own[name].model
        path = self._file(name or self.first)
        if path is None:
            raise InputError(f"There is no model of that name here; there are {', '.join(self.names)}.")
        with self._loading:
            if path not in self._models:
                from poster.checkpoint import load_model

                self._models[path] = load_model(path)
                while len(self._models) > MODELS_KEPT:
                    self._models.popitem(last=False)
            self._models.move_to_end(path)
            return self._models[path]

    def answer(self, data: bytes, model: str = "", heatmap: Heat | None = None, whole: bool = False) -> Answer:
        """Look at a photo's bytes, without its landmarks. whole: take the whole picture as one face. Without a face ``predictions`` is empty.

        Raises InputError (PhotoError, CheckpointError among them), one sentence, for what the visitor can mend.
        """
        return self.answers(data, (model,), heatmap, whole, points=False)[0]

    def answers(
        self,
        data: bytes,
        models: Sequence[str],
        heatmap: Heat | None = None,
        whole: bool = False,
        points: bool = True,
        known: list[tuple[Face, ...]] | None = None,
    ) -> list[Answer]:
        """:meth:`answer` of several models on one photo, whose faces are looked for once; points: with 68 landmarks a face.

        known: empty at a photo's first look, which leaves its faces there for the next ones; looking for them is most of the work.
        """
        start, known = time.monotonic(), [] if known is None else known
        with self._eyes:
            rgb = read_photo(data)
            finer = None if whole or known else looks(rgb)
            faces = largest(next(finer)) if finer else ()
        if whole:
            from poster.predict import whole_picture

            faces = (whole_picture(rgb),)
        elif known:
            faces = known[0]
        # A heatmap takes about as long as finer looks: they go on meanwhile, and the model sees afterwards what they add.
        rest = self._searches.submit(self._rest, finer).result if finer else tuple
        if heatmap is None or not faces:
            faces, rest = largest((*faces, *rest())), tuple
        height, width = rgb.shape[:2]
        shown = Image.fromarray(rgb)
        shown.thumbnail((SHOWN_SIDE, SHOWN_SIDE), reducing_gap=2.0)
        detector, found = "none" if whole else detector_name(), []
        for model in models:
            name, drawn, remark = model or self.first, heatmap, ""
            try:
                faces, predictions = self._asked((name, drawn, points), rgb, faces, rest)
            except NoHeatmap as error:  # what another model beside it can draw is no reason to leave this one's answer out
                drawn, remark = None, str(error)
                faces, predictions = self._asked((name, drawn, points), rgb, faces, rest)
            heat = None if drawn is None else _over_copy(predictions, drawn.source, shown, width)
            found.append(Answer(np.asarray(shown), heat, predictions, width, height, self.title(model), drawn, detector, time.monotonic() - start, remark))
        if not whole and not known:
            known.append(faces)
        return found

    def look(self, rgb: np.ndarray, model: str = "") -> tuple[Prediction, ...]:
        """The faces of one picture (H, W, 3) uint8, without a heatmap."""
        with self._eyes:
            faces = find_faces(rgb)
        return self._gather((model or self.first, None, False), (rgb, faces))

    def _rest(self, finer: Iterator[tuple[Face, ...]]) -> tuple[Face, ...]:
        """What the looks that are left add."""
        with self._eyes:
            return tuple(face for added in finer for face in added)

    def _asked(
        self, key: tuple[str, Heat | None, bool], rgb: np.ndarray, faces: tuple[Face, ...], rest: Callable[[], tuple[Face, ...]]
    ) -> tuple[tuple[Face, ...], tuple[Prediction, ...]]:
        """What a model says of ``faces`` and of those that a search under way adds: the largest of all, and its predictions."""
        said = dict(zip(faces, self._gather(key, (rgb, faces)), strict=True))
        every = largest(dict.fromkeys((*faces, *rest())))
        if added := tuple(face for face in every if face not in said):
            said |= zip(added, self._gather(key, (rgb, added)), strict=True)
        return every, tuple(said[face] for face in every)

    def _predict(self, key: tuple[str, Heat | None, bool], photos: list[tuple[np.ndarray, tuple[Face, ...]]]) -> list[tuple[Prediction, ...]]:
        model, heatmap, points = key
        network = self.load(model)
        from poster.predict import predict_many

        if heatmap is None:
            return predict_many(network, photos, points=points)
        from poster.attention import sources
        from poster.errors import CheckpointError

        if heatmap.label and heatmap.label not in network.contract.labels:
            raise NoHeatmap(f"No heatmap: this model does not know {heatmap.label}; it knows {', '.join(network.contract.labels)}.")
        if heatmap.source not in (known := sources(network)):
            raise NoHeatmap(f"No heatmap: this model has none of “{SOURCES[heatmap.source]}”; choose {' or '.join(f'“{SOURCES[one]}”' for one in known)}.")
        try:
            return predict_many(network, photos, (heatmap.source,), heatmap.label or None, heatmap.number, points)
        except CheckpointError as error:
            if not heatmap.level:
                raise
            # a source with fewer levels than the pyramid, such as POSTER's attention
            raise NoHeatmap(f"No heatmap: this model has no {heatmap.level} level of “{SOURCES[heatmap.source]}”; choose all together.") from error


def _over_copy(predictions: tuple[Prediction, ...], source: str, shown: Image.Image, width: int) -> np.ndarray:
    """The heatmaps over a reduced copy of a photo that was ``width`` pixels wide."""
    from poster.predict import over_photo

    return over_photo(tuple(_scaled(one, shown.width / width) for one in predictions), source, *shown.size)


def _scaled(prediction: Prediction, scale: float) -> Prediction:
    """The same with its crop placed in a copy of the photo that is ``scale`` times as wide."""
    crop = prediction.crop
    return replace(prediction, crop=replace(crop, affine=crop.affine * scale) if crop else None)
