"""A photo and a model -> one Prediction a face; and the heatmap laid over the whole photo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from poster.attention import heatmap
from poster.errors import CheckpointError
from poster.face import CropBox, Face, crop_face, find_faces
from poster.fastest import fastest, setting
from poster.landmarks import every_face_points
from poster.preprocess import to_input
from poster.quality import norm_quality, problems, quality
from poster.runtime import RUNTIMES, Run, prepared
from poster.shares import awake

AT_ONCE = 16  # faces at the model at once; bounds the memory of a heatmap's gradients


@dataclass(frozen=True)
class Prediction:
    """One face. box: (x0, y0, x1, y1), pixels of the upright photo; landmarks: (5, 2) pixels or None; labels and probabilities in
    the model's order, summing to 1; quality: 0..1 and measure, what it was read from: "picture" or "embedding norm" (see poster/quality.py);
    problems: out of "small", "blurred", "turned", "doubtful"; heatmaps: name -> float32 (S, S) in 0..1 over the face's crop; crop: where that lies
    in the photo; points: the 68 points of poster/landmarks.py, (68, 2) pixels, where they were asked for."""

    box: tuple[float, float, float, float]
    landmarks: np.ndarray | None
    labels: tuple[str, ...]
    probabilities: tuple[float, ...]
    quality: float
    heatmaps: dict[str, np.ndarray] = field(default_factory=dict, compare=False)
    crop: CropBox | None = field(default=None, compare=False)
    measure: str = "picture"
    problems: tuple[str, ...] = ()
    points: np.ndarray | None = field(default=None, compare=False)

    @property
    def ranked(self) -> list[tuple[str, float]]:
        """(label, probability), most probable first."""
        return sorted(zip(self.labels, self.probabilities, strict=True), key=lambda pair: -pair[1])


def whole_picture(rgb: np.ndarray) -> Face:
    """The whole picture taken as one face, for pictures in which none is found. Its box is the centred square."""
    height, width = rgb.shape[:2]
    side = min(height, width)
    x0, y0 = (width - side) / 2, (height - side) / 2
    return Face((x0, y0, x0 + side, y0 + side), detector="none")


def predict(
    model: nn.Module,
    rgb: np.ndarray,
    faces: tuple[Face, ...] | None = None,
    heatmaps: tuple[str, ...] = (),
    explain: str | None = None,
    level: int | None = None,
    points: bool = False,
) -> tuple[Prediction, ...]:
    """Classify the faces of a photo (H, W, 3) uint8, largest first; empty when there is none.

    model: from ``poster.load_model``. faces: from ``find_faces``, looked for when None. heatmaps: sources of ``poster.attention`` to add, for
    the label ``explain`` (None: each face's predicted one) and one ``level`` (None: all). points: whether to add the 68 points. Raises
    CheckpointError for a model without an expression head or without that source or level, ValueError for a label it does not know.
    """
    found = find_faces(rgb) if faces is None else faces
    return predict_many(model, [(rgb, found)], heatmaps, explain, level, points)[0]


def predict_many(
    model: nn.Module,
    photos: Sequence[tuple[np.ndarray, tuple[Face, ...]]],
    heatmaps: tuple[str, ...] = (),
    explain: str | None = None,
    level: int | None = None,
    points: bool = False,
) -> list[tuple[Prediction, ...]]:
    """:func:`predict` for several photos and their faces together, AT_ONCE faces at the model at a time."""
    contract = model.contract
    if not contract.labels:
        raise CheckpointError("this is a recognition backbone without an expression head; it gives embeddings, not expressions")
    every = [(rgb, face) for rgb, faces in photos for face in faces]
    predictions: list[Prediction] = []
    for start in range(0, len(every), AT_ONCE):
        some = every[start : start + AT_ONCE]
        found = _predict_faces(model, some, heatmaps, explain, level)
        predictions += [replace(one, points=own) for one, own in zip(found, every_face_points(some), strict=True)] if points else found
    rest = iter(predictions)
    return [tuple(next(rest) for _ in faces) for _, faces in photos]


def _predict_faces(
    model: nn.Module, some: list[tuple[np.ndarray, Face]], heatmaps: tuple[str, ...], explain: str | None, level: int | None
) -> list[Prediction]:
    contract = model.contract
    # A whole picture is taken as it is; a found face gets the margin the model learned with.
    crops = [crop_face(rgb, face, 0.0 if face.detector == "none" else contract.crop, contract.input_size) for rgb, face in some]
    images = to_input(np.stack([crop for crop, _ in crops]), contract)
    with torch.inference_mode():
        logits, embedding = _ready(model)(images)
        probabilities = (logits.double() / contract.temperature).softmax(dim=1).numpy()
        by_norm = None if embedding is None else norm_quality(model, embedding)
    chosen = probabilities.argmax(axis=1) if explain is None else np.full(len(some), contract.labels.index(explain))
    with awake(images):
        maps = {source: heatmap(model, images.clone(), torch.from_numpy(chosen), source, level).numpy() for source in heatmaps}
    predictions = []
    for index, ((_, face), (crop, where)) in enumerate(zip(some, crops, strict=True)):
        side = float(np.hypot(*where.affine[:, 0])) * where.size
        row = tuple(float(p) for p in probabilities[index])
        own = {source: values[index] for source, values in maps.items()}
        score, measure = (quality(crop, side), "picture") if by_norm is None else (float(by_norm[index]), "embedding norm")
        predictions.append(Prediction(face.box, face.landmarks, contract.labels, row, score, own, where, measure, problems(crop, side, face)))
    return predictions


def _ready(model: nn.Module) -> Run:
    """The model as FER_RUNTIME says, in that runtime's usual precision; with auto the fastest in float32, if that was ever measured here."""
    chosen = setting()
    name = fastest(measure=False) if chosen == "auto" else chosen
    if name != "cuda":
        return prepared(model, name, RUNTIMES[name][0])
    on_gpu = prepared(model, name, device="cuda")

    def run(images: Tensor) -> tuple[Tensor, Tensor | None]:
        logits, embedding = on_gpu(images.cuda())
        return logits.cpu(), None if embedding is None else embedding.cpu()

    return run


def over_photo(predictions: tuple[Prediction, ...], source: str, width: int, height: int) -> np.ndarray:
    """The heatmaps of all faces on the photo: float32 (height, width) in 0..1, 0 outside the crops, the larger value where two overlap."""
    total = np.zeros((height, width), dtype=np.float32)
    for prediction in predictions:
        where, values = prediction.crop, prediction.heatmaps[source]
        assert where is not None
        corners = where.to_photo(np.array([[0, 0], [where.size, 0], [0, where.size], [where.size, where.size]]))
        x0, y0 = np.floor(corners.min(axis=0)).clip(0, (width, height)).astype(int)
        x1, y1 = np.ceil(corners.max(axis=0)).clip(0, (width, height)).astype(int)
        if x0 >= x1 or y0 >= y1:
            continue
        # PIL wants output -> input: photo pixels of this window to crop pixels.
        affine = where.inverse.copy()
        affine[:, 2] += affine[:, :2] @ (x0, y0)
        window = Image.fromarray(values.astype(np.float32)).transform(
            (int(x1 - x0), int(y1 - y0)), Image.Transform.AFFINE, affine.ravel().tolist(), Image.Resampling.BILINEAR
        )
        total[y0:y1, x0:x1] = np.maximum(total[y0:y1, x0:x1], np.asarray(window))
    return total
