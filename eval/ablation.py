"""Which head is better, and how sure that is: accuracies over seeds and pictures from the records of ``poster ablate``. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.metrics import confusion_matrix, mean_class_accuracy
from eval.probability import reliability, softmax
from eval.ties import holm
from poster.errors import InputError
from poster.training.record import Record

LINEAR = "linear"
FEATURES = ("fused", "image")


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % interval; p_value: of the mean being 0, two-sided."""

    value: float
    low: float
    high: float
    p_value: float


@dataclass(frozen=True)
class Arm:
    """One head: scores as means over the seeds. ece: of the probabilities as they are; ece_scaled: after the temperature of the validation split.

    ahead: accuracy minus the linear head's on the same pictures and seeds; holm: its p-value corrected for the number of arms. correlation: Spearman's,
    of a feature's norm with picture quality after the last epoch: mean, least and most over the seeds.
    """

    name: str
    kind: str
    margin: float
    scale: float
    accuracy: Estimate
    mean_class_accuracy: float
    ece: float
    ece_scaled: float
    ahead: Estimate | None
    holm: float | None
    correlation: dict[str, tuple[float, float, float]]


@dataclass(frozen=True)
class Ablation:
    """arms as they were run; pairs: how far an adaptive margin is ahead of a fixed one of the same scale, with Holm's p-value of all these pairs."""

    arms: tuple[Arm, ...]
    seeds: tuple[int, ...]
    num_images: int
    pairs: tuple[tuple[str, str, Estimate, float], ...]


def estimate(values: NDArray[np.float64]) -> Estimate:
    """The mean of (S, N) values, one a seed and picture, where both the seeds and the pictures are a sample.

    Crossed random effects: the variance of the mean is that of the seeds' means over S plus that of the pictures' means over N; their sum is at least
    the true one. Student's t with Satterthwaite's degrees of freedom (1946), few where the seeds matter. One seed tells nothing of seeds: then it is
    the pictures' alone.
    """
    from scipy import stats

    mean = float(values.mean())
    parts = [(float(means.var(ddof=1)) / len(means), len(means) - 1) for means in (values.mean(axis=1), values.mean(axis=0)) if len(means) > 1]
    variance = sum(part for part, _ in parts)
    if variance == 0:
        return Estimate(mean, mean, mean, 1.0 if mean == 0 else 0.0)
    freedom = variance**2 / sum(part**2 / free for part, free in parts)
    half = float(stats.t.ppf(0.975, freedom)) * math.sqrt(variance)
    return Estimate(mean, mean - half, mean + half, 2 * float(stats.t.sf(abs(mean) / math.sqrt(variance), freedom)))


def correct(records: Sequence[Record]) -> NDArray[np.float64]:
    """(S, N): 1 where a run names the label of a test picture, else 0."""
    return np.stack([(record.test.log_probabilities.argmax(axis=1) == record.test.labels).astype(np.float64) for record in records])


def by_arm(records: Sequence[Record]) -> dict[str, list[Record]]:
    """Arms in the order given, seeds ascending. Raises InputError unless all runs share recipe, pictures and seeds, and one arm is linear."""
    found: dict[str, list[Record]] = {}
    for record in sorted(records, key=lambda one: one.seed):
        found.setdefault(record.arm, []).append(record)
    if LINEAR not in found or len(found) < 2:
        raise InputError(f"the comparison needs the arm {LINEAR} and another one; found: {', '.join(found) or 'none'}")
    seeds = [[record.seed for record in runs] for runs in found.values()]
    if any(other != seeds[0] for other in seeds):
        raise InputError("the arms have different seeds; run `python -m poster ablate --resume` until every arm has every seed")
    first = records[0]
    for record in records:
        if _common(record) != _common(first):
            raise InputError(f"{record.arm}, seed {record.seed} was trained by other values than {first.arm}; compare runs of one ablation")
        for one, other in ((record.test, first.test), (record.validation, first.validation)):
            if not (np.array_equal(one.rows, other.rows) and np.array_equal(one.labels, other.labels)):
                raise InputError(f"{record.arm}, seed {record.seed} answers other pictures than {first.arm}")
    return {name: found[name] for name in dict.fromkeys(record.arm for record in records)}


def _common(record: Record) -> tuple[object, ...]:
    recipe = {key: value for key, value in record.recipe.items() if key not in ("seed", "head")}
    return recipe, record.streams, record.sample, record.model


def compare(records: Sequence[Record]) -> Ablation:
    """Everything the page tells. Raises InputError where the records do not belong together."""
    runs = by_arm(records)
    right = {name: correct(of_arm) for name, of_arm in runs.items()}
    ahead = {name: estimate(right[name] - right[LINEAR]) for name in runs if name != LINEAR}
    corrected = dict(zip(ahead, holm([one.p_value for one in ahead.values()]), strict=True))
    arms = tuple(_arm(name, of_arm, right[name], ahead.get(name), corrected.get(name)) for name, of_arm in runs.items())
    return Ablation(arms, tuple(record.seed for record in runs[LINEAR]), right[LINEAR].shape[1], _pairs(arms, right))


def _arm(name: str, runs: Sequence[Record], right: NDArray[np.float64], ahead: Estimate | None, corrected: float | None) -> Arm:
    from torch import from_numpy

    from poster.training.validate import fit_temperature

    classes, eces, scaled = [], [], []
    for run in runs:
        logs, labels = run.test.log_probabilities.astype(np.float64), run.test.labels.astype(np.int64)
        temperature = fit_temperature(from_numpy(run.validation.log_probabilities.astype(np.float32)), run.validation.labels.astype(np.int64))
        classes.append(mean_class_accuracy(confusion_matrix(labels, logs.argmax(axis=1), logs.shape[1])))
        eces.append(reliability(softmax(logs), labels).expected_calibration_error)
        scaled.append(reliability(softmax(logs / temperature), labels).expected_calibration_error)
    last = {feature: [run.curve[f"spearman_{feature}"][-1] for run in runs] for feature in FEATURES}
    correlation = {feature: (float(np.mean(values)), min(values), max(values)) for feature, values in last.items()}
    head = runs[0].recipe["head"]
    mean_class, ece, ece_scaled = (float(np.mean(values)) for values in (classes, eces, scaled))
    return Arm(name, head["kind"], head["margin"], head["scale"], estimate(right), mean_class, ece, ece_scaled, ahead, corrected, correlation)


def _pairs(arms: Sequence[Arm], right: Mapping[str, NDArray[np.float64]]) -> tuple[tuple[str, str, Estimate, float], ...]:
    fixed = [arm for arm in arms if arm.kind in ("arcface", "cosface") and arm.margin]
    pairs = [(one.name, other.name) for one in arms if one.kind == "adaface" for other in fixed if other.scale == one.scale]
    found = [estimate(right[one] - right[other]) for one, other in pairs]
    corrected = holm([each.p_value for each in found])
    return tuple((one, other, each, p) for (one, other), each, p in zip(pairs, found, corrected, strict=True))
