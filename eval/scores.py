"""Predictions -> every score, its interval and the reason where it is undefined. Needs no model: old results are scored again by it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from eval import metrics, probability
from eval.predictions import Predictions
from eval.significance import Interval, bootstrap_confusion, bootstrap_mean, smallest_gap, wilson

OF_CONFUSION: dict[str, Callable[[metrics.Counts], float]] = {
    "accuracy": metrics.accuracy,
    "mean_class_accuracy": metrics.mean_class_accuracy,
    "macro_f1": metrics.macro_f1,
    "weighted_f1": metrics.weighted_f1,
    "cohen_kappa": metrics.cohen_kappa,
}


@dataclass(frozen=True)
class ClassScore:
    """One class; a score is None where the class has no images (or no predictions) to define it."""

    label: str
    support: int
    predicted: int
    precision: float | None
    recall: float | None
    f1: float | None
    recall_interval: Interval | None


@dataclass(frozen=True)
class ScoreSheet:
    """All scores of one set of predictions. ``undefined`` names each score that is None and says why."""

    scores: dict[str, float | None]
    intervals: dict[str, Interval]
    undefined: dict[str, str]
    per_class: tuple[ClassScore, ...]
    confusion: tuple[tuple[int, ...], ...]
    reliability: dict[str, list[float | None]]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain lists, dicts and numbers, no nan."""
        fields = asdict(self)
        fields["per_class"] = list(fields["per_class"])
        return {**fields, "confusion": [list(row) for row in self.confusion], "intervals": {name: list(pair) for name, pair in self.intervals.items()}}


def score(predictions: Predictions, resamples: int = 1000, seed: int = 0) -> ScoreSheet:
    """Compute everything; intervals are Wilson for shares of images, stratified bootstrap (seeded) for the others, at 95 %."""
    targets, probabilities = predictions.targets, predictions.probabilities
    confusion = metrics.confusion_matrix(targets, predictions.predicted, len(predictions.labels))
    total = len(targets)
    values: dict[str, float] = {name: function(confusion) for name, function in OF_CONFUSION.items()}
    intervals: dict[str, Interval] = {"accuracy": wilson(int(predictions.correct.sum()), total)}
    for name in ("mean_class_accuracy", "macro_f1", "weighted_f1", "cohen_kappa"):
        if math.isfinite(values[name]):
            interval = bootstrap_confusion(confusion, OF_CONFUSION[name], resamples, seed)
            if all(map(math.isfinite, interval)):
                intervals[name] = interval
    values["top2_accuracy"] = probability.top_k_accuracy(probabilities, targets, 2)
    intervals["top2_accuracy"] = wilson(round(values["top2_accuracy"] * total), total)
    per_image = {"log_loss": _log_losses(predictions), "brier": ((probabilities - np.eye(len(predictions.labels))[targets]) ** 2).sum(axis=1)}
    if predictions.votes is not None:
        per_image["soft_cross_entropy"] = _soft_losses(predictions.votes, probabilities)
    for name, losses in per_image.items():
        values[name] = float(losses.mean())
        if math.isfinite(values[name]):
            intervals[name] = bootstrap_mean(losses, targets, resamples, seed)
    curve = probability.reliability(probabilities, targets)
    values["ece"] = curve.expected_calibration_error
    if predictions.votes is not None:
        values["vote_entropy"] = probability.vote_entropy(predictions.votes)
    if predictions.agreement is not None:
        values["annotator_ceiling"] = float(predictions.agreement.mean())
    undefined = {name: _why(name, predictions, per_image) for name, value in values.items() if not math.isfinite(value)}
    return ScoreSheet(
        scores={name: value if math.isfinite(value) else None for name, value in values.items()},
        intervals=intervals,
        undefined=undefined,
        per_class=_per_class(predictions, confusion),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
        reliability={
            "edges": curve.edges.tolist(),
            "counts": curve.counts.tolist(),
            "confidence": _finite(curve.confidence),
            "accuracy": _finite(curve.accuracy),
        },
        notes=_notes(predictions, confusion),
    )


def _log_losses(predictions: Predictions) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return -np.log(predictions.probabilities[np.arange(len(predictions.targets)), predictions.targets])


def _soft_losses(votes: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return -np.where(votes > 0, votes * np.log(probabilities), 0.0).sum(axis=1)


def _why(name: str, predictions: Predictions, per_image: dict[str, np.ndarray]) -> str:
    if name in per_image:
        count = int(np.isinf(per_image[name]).sum())
        what = "a label the annotators voted for" if name == "soft_cross_entropy" else "the true label"
        return f"{what} was given probability 0 on {count} of {len(predictions.targets)} images"
    return "all images have one label and all predictions are that label, so chance already agrees everywhere"


def _per_class(predictions: Predictions, confusion: metrics.Counts) -> tuple[ClassScore, ...]:
    columns = [_finite(values) for values in (metrics.precision(confusion), metrics.recall(confusion), metrics.f1(confusion))]
    rows = []
    for index, label in enumerate(predictions.labels):
        support = int(confusion[index].sum())
        interval = wilson(int(confusion[index, index]), support) if support else None
        scores = [column[index] for column in columns]
        rows.append(ClassScore(label, support, int(confusion[:, index].sum()), scores[0], scores[1], scores[2] if support else None, interval))
    return tuple(rows)


def _notes(predictions: Predictions, confusion: metrics.Counts) -> tuple[str, ...]:
    notes = []
    absent = [label for label, count in zip(predictions.labels, confusion.sum(1), strict=True) if count == 0]
    if absent:
        notes.append(f"No image shows {', '.join(absent)}: averages over classes leave {'it' if len(absent) == 1 else 'them'} out.")
    never = [label for label, row, column in zip(predictions.labels, confusion.sum(1), confusion.sum(0), strict=True) if row and not column]
    if never:
        notes.append(f"Never predicted: {', '.join(never)}.")
    gap = 100 * smallest_gap(len(predictions.targets))
    notes.append(f"Two models that disagree on 6 % of these {len(predictions.targets):,} images differ significantly from a gap of {gap:.2f} points on.")
    return tuple(notes)


def _finite(values: np.ndarray) -> list[float | None]:
    return [float(value) if math.isfinite(value) else None for value in values]
