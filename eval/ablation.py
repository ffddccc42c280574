"""Which head and which fusion is better, and how sure that is: accuracies over seeds and pictures from the records of ``poster ablate``."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.metrics import confusion_matrix, mean_class_accuracy
from eval.probability import reliability, softmax
from eval.ties import holm
from poster.errors import InputError
from poster.training.arms import BASE, DESCRIBES
from poster.training.arms import Arm as Built
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
    """One head, or one fusion: scores as means over the seeds. ece: of the probabilities as they are; ece_scaled: after the validation split's temperature.

    fusion: the POSTER whose pyramid fuses, depth: its blocks; "" and 0 for POSTER++'s fusion. parameters: of fusion and head.
    ahead: accuracy minus the linear arm's on the same pictures and seeds; holm: its p-value corrected for the number of heads, or of fusions.
    correlation: Spearman's, of a feature's norm with picture quality after the last epoch: mean, least and most over the seeds.
    """

    name: str
    kind: str
    margin: float
    scale: float
    fusion: str
    depth: int
    parameters: int
    accuracy: Estimate
    mean_class_accuracy: float
    ece: float
    ece_scaled: float
    ahead: Estimate | None
    holm: float | None
    correlation: dict[str, tuple[float, float, float]]


Pair = tuple[str, str, Estimate, float]  # two arms, how far the first is ahead of the second, Holm's p-value of all pairs of its question


@dataclass(frozen=True)
class Ablation:
    """heads, on POSTER++'s fusion; fusions: POSTER's pyramids under the linear head, shallow to deep.

    pairs: an adaptive margin against a fixed one of the same scale; depths: a deeper pyramid against a shallower one.
    """

    heads: tuple[Arm, ...]
    fusions: tuple[Arm, ...]
    seeds: tuple[int, ...]
    num_images: int
    pairs: tuple[Pair, ...]
    depths: tuple[Pair, ...]


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
    recipe = {key: value for key, value in record.recipe.items() if key not in ("seed", "head", *DESCRIBES)}
    return recipe, record.streams, record.sample, record.model


def compare(records: Sequence[Record]) -> Ablation:
    """Everything the page tells. Raises InputError where the records do not belong together."""
    runs = by_arm(records)
    right = {name: correct(of_arm) for name, of_arm in runs.items()}
    ahead: dict[str, Estimate] = {}
    corrected: dict[str, float] = {}
    for fused in (False, True):  # two questions, each with a correction of its own
        family = {name: estimate(right[name] - right[LINEAR]) for name in runs if name != LINEAR and bool(runs[name][0].fusion) == fused}
        ahead |= family
        corrected |= zip(family, holm([one.p_value for one in family.values()]), strict=True)
    arms = [_arm(name, of_arm, right[name], ahead.get(name), corrected.get(name)) for name, of_arm in runs.items()]
    heads, fusions = [arm for arm in arms if not arm.fusion], sorted((arm for arm in arms if arm.fusion), key=lambda arm: arm.depth)
    fixed = [arm for arm in heads if arm.kind in ("arcface", "cosface") and arm.margin]
    margins = [(one.name, other.name) for one in heads if one.kind == "adaface" for other in fixed if other.scale == one.scale]
    deeper = [(one.name, other.name) for other, one in itertools.combinations(fusions, 2)]
    seeds = tuple(record.seed for record in runs[LINEAR])
    return Ablation(tuple(heads), tuple(fusions), seeds, right[LINEAR].shape[1], _pairs(margins, right), _pairs(deeper, right))


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
    head, depth, count = runs[0].recipe["head"], *cost(runs[0])
    shape = (head["kind"], head["margin"], head["scale"], runs[0].fusion, depth, count)
    mean_class, ece, ece_scaled = (float(np.mean(values)) for values in (classes, eces, scaled))
    return Arm(name, *shape, estimate(right), mean_class, ece, ece_scaled, ahead, corrected, correlation)


def cost(record: Record) -> tuple[int, int]:
    """Blocks of the arm's pyramid, 0 where it has none, and the parameters of its fusion and head; of the network built again, without its weights."""
    import torch

    from poster.training.ablation import parameters

    head = [f"head.{key}={record.recipe['head'][key]}" for key in ("kind", "quality")]
    with torch.device("meta"):
        model = Built(record.arm, fusion=record.fusion).network(BASE.override(head), record.model)
    return len(model.blocks) if record.fusion else 0, parameters(model)


def _pairs(pairs: Sequence[tuple[str, str]], right: Mapping[str, NDArray[np.float64]]) -> tuple[Pair, ...]:
    found = [estimate(right[one] - right[other]) for one, other in pairs]
    corrected = holm([each.p_value for each in found])
    return tuple((one, other, each, p) for (one, other), each, p in zip(pairs, found, corrected, strict=True))
