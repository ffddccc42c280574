"""A model asked about photos as the app asks it (bytes read, face known or found, cropped, classified), and scored against the plain pictures."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from eval.corruptions import Pixels
from eval.mapping import LabelMap
from eval.photos import CONDITIONS, Condition, Photo
from eval.predictions import Predictions
from eval.significance import Interval, bootstrap_mean, paired_bootstrap, wilson
from poster.detection.faces import SAME_FACE, overlap
from poster.face import CropBox, Face, find_faces
from poster.photo import read_photo
from poster.predict import Prediction, predict_many

Progress = Callable[[str, int, int], None]
AT_ONCE = 64  # photos in memory
RESAMPLES = 2000


@dataclass(frozen=True)
class Answers:
    """predicted: (N,) index of a benchmark label, -1 where no face was found. width, offset: (N,) the crop's side and the distance of its centre
    from where they should be, as shares of the square that holds the picture; nan where no face was found."""

    predicted: NDArray[np.int64]
    width: NDArray[np.float64]
    offset: NDArray[np.float64]

    @property
    def found(self) -> NDArray[np.bool_]:
        """(N,) whether the app had a face to classify."""
        return self.predicted >= 0


def looked_at(photo: Photo, condition: Condition, margin: float) -> tuple[Pixels, tuple[Face, ...]]:
    """The photo as the app reads it, and its face: the known one, or the one the app finds there; none where it finds none in that place."""
    rgb, known = read_photo(photo.upload()), photo.face(margin)
    if not condition.finds:
        return rgb, (known,)
    there = [face for face in find_faces(rgb) if overlap(face.box, known.box) >= SAME_FACE]
    return rgb, tuple(sorted(there, key=lambda face: -overlap(face.box, known.box))[:1])


def answers(
    model: nn.Module, pictures: Pixels, seeds: Sequence[int], condition: Condition, labels: LabelMap, progress: Callable[[int], None] | None = None
) -> Answers:
    """The app's answers under one condition. model: with ``.contract``; pictures: (N, S, S[, 3]) uint8."""
    margin = model.contract.crop
    rows: list[tuple[int, float, float]] = []

    def ready(index: int) -> tuple[Photo, tuple[Pixels, tuple[Face, ...]]]:
        photo = condition.change(pictures[index], seeds[index])
        return photo, looked_at(photo, condition, margin)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(pictures), AT_ONCE):
            photos = list(pool.map(ready, range(start, min(start + AT_ONCE, len(pictures)))))
            found = predict_many(model, [seen for _, seen in photos])
            rows += [_row(photo, one[0] if one else None, labels) for (photo, _), one in zip(photos, found, strict=True)]
            if progress:
                progress(len(rows))
    predicted, width, offset = zip(*rows, strict=True)
    return Answers(np.array(predicted, np.int64), np.array(width, float), np.array(offset, float))


def _row(photo: Photo, prediction: Prediction | None, labels: LabelMap) -> tuple[int, float, float]:
    """The answer, and how the crop was framed."""
    if prediction is None:
        return -1, np.nan, np.nan
    where = prediction.crop
    assert isinstance(where, CropBox)
    logits = np.log(np.maximum([prediction.probabilities], np.finfo(float).tiny))
    centre = where.to_photo(np.full((1, 2), where.size / 2))[0] - (photo.left + photo.side / 2, photo.top + photo.side / 2)
    return int(labels.probabilities(logits)[0].argmax()), float(np.hypot(*where.affine[:, 0])) * where.size / photo.side, float(np.hypot(*centre)) / photo.side


def class_weights(targets: NDArray[np.int64]) -> NDArray[np.float64]:
    """(N,) weights under which the mean of a value over images is the mean of its class means.

    >>> class_weights(np.array([0, 0, 0, 1])).round(3).tolist()
    [0.667, 0.667, 0.667, 2.0]
    """
    _, index, counts = np.unique(targets, return_inverse=True, return_counts=True)
    return len(targets) / (len(counts) * counts[index])


def scored(correct: NDArray[np.bool_], targets: NDArray[np.int64]) -> dict[str, Any]:
    """Accuracy (Wilson) and mean class accuracy (stratified bootstrap) of right and wrong answers (N,)."""
    weighted = class_weights(targets) * correct
    return {
        "accuracy": _estimate(float(correct.mean()), wilson(int(correct.sum()), len(correct))),
        "mean_class_accuracy": _estimate(float(weighted.mean()), bootstrap_mean(weighted, targets, RESAMPLES)),
    }


def compared(correct: NDArray[np.bool_], plain: NDArray[np.bool_], targets: NDArray[np.int64]) -> dict[str, Any]:
    """Both scores' differences to the plain pictures, picture by picture, on the same resamples."""
    difference = correct.astype(float) - plain
    weighted = class_weights(targets) * difference
    return {
        "difference": _estimate(float(difference.mean()), paired_bootstrap(correct, plain, targets, RESAMPLES)),
        "mean_class_difference": _estimate(float(weighted.mean()), bootstrap_mean(weighted, targets, RESAMPLES)),
    }


def _estimate(value: float, interval: Interval) -> dict[str, Any]:
    return {"value": value, "interval": list(interval)}


def row(condition: Condition, given: Answers, plain: Predictions) -> dict[str, Any]:
    """One condition in numbers; a face that is not found counts as a wrong answer. "among_found": the same on the found ones alone, against the
    plain pictures of just these, and how wide and how far from its place the crop was (median, 10th and 90th percentile)."""
    targets, correct, found = plain.targets, given.predicted == plain.targets, given.found
    same = given.predicted == plain.predicted
    about: dict[str, Any] = {
        "kind": condition.kind, "about": condition.about, **scored(correct, targets), **compared(correct, plain.correct, targets),
        "same_answer": _estimate(float(same.mean()), wilson(int(same.sum()), len(same))),
    }  # fmt: skip
    if condition.finds:
        about["found"] = _estimate(float(found.mean()), wilson(int(found.sum()), len(found)))
        about["among_found"] = None if not found.any() else _among(given, plain, correct)
    return about


def _among(given: Answers, plain: Predictions, correct: NDArray[np.bool_]) -> dict[str, Any]:
    found = given.found
    framing = {name: np.quantile(values[found], (0.5, 0.1, 0.9)).tolist() for name, values in (("width", given.width), ("offset", given.offset))}
    return {**scored(correct[found], plain.targets[found]), **compared(correct[found], plain.correct[found], plain.targets[found]), **framing}


def measure(
    model: nn.Module,
    pictures: Pixels,
    seeds: Sequence[int],
    plain: Predictions,
    conditions: Sequence[Condition] = CONDITIONS,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Every condition on N pictures (N, S, S[, 3]) against ``plain``, the model's predictions for them as they are."""
    labels = LabelMap.of(model.contract.labels, plain.labels)
    rows = {}
    for number, condition in enumerate(conditions):
        report = None if progress is None else partial(_report, progress, number * len(pictures), len(conditions) * len(pictures))
        rows[condition.name] = row(condition, answers(model, pictures, seeds, condition, labels, report), plain)
    return {"num_images": len(pictures), "plain": scored(plain.correct, plain.targets), "conditions": rows}


def _report(progress: Progress, before: int, total: int, done: int) -> None:
    progress("photos", before + done, total)
