"""Was the checkpoint read the way its author meant? Permuted labels, constant or collapsed predictions, wrong preprocessing. Pure functions."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.stats import binomtest

from eval.mapping import LabelMap
from eval.metrics import Counts, accuracy, confusion_matrix
from eval.predictions import Predictions
from eval.significance import wilson
from poster.contract import ModelContract

LABEL_GAIN = 0.10  # accuracy that a relabelling must win before the declared order is doubted
CONTRACT_GAIN = 0.03  # accuracy that another channel order or normalisation must win on the probe
COLLAPSED = 0.4  # fewer effective classes predicted than this share of the true ones


@dataclass(frozen=True)
class LabelCheck:
    """declared: accuracy as scored; relabelled: with the best one-to-one relabelling; likely: for each model output the expression it
    seems to mean; permuted: whether the gain is beyond LABEL_GAIN, or every moved class gains, and beyond chance."""

    declared: float
    relabelled: float
    likely: tuple[str, ...]
    permuted: bool


@dataclass(frozen=True)
class CollapseCheck:
    """effective_*: number of classes (exponential of the entropy); never: classes with images that were never predicted."""

    effective_predicted: float
    effective_true: float
    most_predicted: str
    most_predicted_share: float
    never: tuple[str, ...]
    constant: bool
    collapsed: bool


@dataclass(frozen=True)
class Trial:
    """A contract tried on probe images. accuracy: labels as declared; relabelled: with the best relabelling; gain: over the declared
    contract on the same images, both relabelled; p_value: of that gain (McNemar)."""

    channels: str
    normalisation: str
    images: int
    accuracy: float
    relabelled: float
    gain: float
    p_value: float


@dataclass(frozen=True)
class Verdict:
    """problems: empty when nothing speaks against the checkpoint as read; held_back: the result should not be published as it is."""

    problems: tuple[str, ...]
    sentence: str
    labels: LabelCheck
    collapse: CollapseCheck
    trials: tuple[Trial, ...]
    channels_testable: bool
    likely_contract: dict[str, Any]

    @property
    def held_back(self) -> bool:
        return bool(self.problems)

    def to_json(self) -> dict[str, Any]:
        """Plain values for the result file."""
        return {"held_back": self.held_back, **dataclasses.asdict(self), "problems": list(self.problems)}


def best_relabelling(confusion: Counts) -> tuple[int, ...]:
    """For each predicted class the true class that makes accuracy largest, one to one; the declared one where nothing is gained.

    >>> best_relabelling(np.array([[0, 9], [8, 1]]))
    (1, 0)
    """
    gain = confusion.T.astype(np.float64) + 1e-6 * np.eye(len(confusion))
    _, targets = linear_sum_assignment(gain, maximize=True)
    return tuple(int(target) for target in targets)


def check_labels(confusion: Counts, labels: LabelMap, collapsed: bool) -> LabelCheck:
    """A wrong label order: the best relabelling wins more than 10 points, or every output it moves meets its new class more often than its own
    (rare classes never move ten points); in both cases beyond chance: binomial, 1 %, corrected for all K! relabellings.

    Of a set with images of one class nothing is said: there a wrong order looks like any other mistake.
    """
    order = best_relabelling(confusion)
    total = int(confusion.sum())
    moved = [(predicted, target) for predicted, target in enumerate(order) if predicted != target]
    lost, gained = (int(sum(confusion[row, predicted] for predicted, row in pairs)) for pairs in ([(p, p) for p, _ in moved], moved))
    sure = gained > lost and math.factorial(len(confusion)) * binomtest(gained, gained + lost).pvalue < 0.01
    swapped = all(confusion[target, predicted] > confusion[predicted, predicted] for predicted, target in moved)
    several = (confusion.sum(axis=1) > 0).sum() > 1
    permuted = several and not collapsed and sure and (swapped or gained - lost > LABEL_GAIN * total)
    right = int(np.trace(confusion))
    meaning = {labels.labels[predicted]: labels.labels[target] for predicted, target in enumerate(order)}
    likely = tuple(meaning.get(label, label) for label in labels.model_labels)
    return LabelCheck(right / total, (right + gained - lost) / total, likely, bool(permuted))


def check_collapse(confusion: Counts, names: tuple[str, ...]) -> CollapseCheck:
    """Constant: one class for every image while the set has several. Collapsed: far fewer classes than the set has, weighted by their share."""
    predicted, true = confusion.sum(0) / confusion.sum(), confusion.sum(1) / confusion.sum()
    effective_predicted, effective_true = (float(np.exp(-(share[share > 0] * np.log(share[share > 0])).sum())) for share in (predicted, true))
    several = (true > 0).sum() > 1
    constant = bool(several and (predicted > 0).sum() == 1)
    collapsed = bool(several and effective_predicted < max(1.0 + 1e-9, COLLAPSED * effective_true))
    never = tuple(name for name, share, truth in zip(names, predicted, true, strict=True) if share == 0 and truth > 0)
    top = int(predicted.argmax())
    return CollapseCheck(effective_predicted, effective_true, names[top], float(predicted[top]), never, constant, constant or collapsed)


def diagnose(predictions: Predictions, contract: ModelContract, labels: LabelMap, trials: tuple[Trial, ...] | None) -> Verdict:
    """Put the checks together into problems, figures and one sentence. ``trials`` come from eval.probe, the declared contract first."""
    confusion = confusion_matrix(predictions.targets, predictions.predicted, len(predictions.labels))
    collapse = check_collapse(confusion, predictions.labels)
    order = check_labels(confusion, labels, collapse.collapsed)
    better = better_trial(trials)
    problems, reasons = [], []
    if collapse.constant:
        problems.append("constant predictions")
        reasons.append(f"every image is called {collapse.most_predicted}")
    elif collapse.collapsed:
        problems.append("collapsed predictions")
        reasons.append(f"{collapse.most_predicted} is the answer for {100 * collapse.most_predicted_share:.0f} % of the images")
    likely: dict[str, Any] = {}
    if better is not None and trials is not None:
        likely |= {"channels": better.channels, "normalisation": better.normalisation}
        if better.channels != contract.channels:
            problems.append("wrong channel order")
        if better.normalisation != trials[0].normalisation:
            problems.append("wrong normalisation")
        reasons.append(
            f"fed {better.channels.upper()} with {better.normalisation} normalisation it reaches {100 * better.relabelled:.1f} instead of "
            f"{100 * (better.relabelled - better.gain):.1f} % on {better.images} probe images"
        )
    if order.permuted or (better is not None and _permuted(better)):
        problems.append("permuted labels")
        figures = (order.relabelled, order.declared) if order.permuted else (better.relabelled, better.accuracy)  # type: ignore[union-attr]
        order_text = ""
        if order.permuted:
            likely["labels"] = list(order.likely)
            order_text = f" as {', '.join(order.likely)}"
        reasons.append(f"reading the outputs{order_text} lifts accuracy from {100 * figures[1]:.1f} to {100 * figures[0]:.1f} %")
    sentence = "Nothing speaks against the checkpoint as it was read."
    if problems:
        sentence = f"Likely {' and '.join(problems)}: {'; '.join(reasons)}. Check the contract and convert the checkpoint again."
    testable = bool(trials) and any(trial.channels != contract.channels for trial in trials or ())
    if trials and not testable and contract.channels != "grey":
        sentence += " The channel order cannot be tested on grey pictures."
    return Verdict(tuple(problems), sentence, order, collapse, trials or (), testable, likely)


def better_trial(trials: tuple[Trial, ...] | None) -> Trial | None:
    """The tried contract that beats the declared one (the first) by more than 3 points beyond chance (1 %), both relabelled at best; None if none."""
    if not trials:
        return None
    ahead = [trial for trial in trials[1:] if trial.gain > CONTRACT_GAIN and trial.p_value < 0.01]
    return max(ahead, key=lambda trial: trial.gain, default=None)


def _permuted(trial: Trial) -> bool:
    right, relabelled = round(trial.accuracy * trial.images), round(trial.relabelled * trial.images)
    return relabelled - right > LABEL_GAIN * trial.images and wilson(relabelled, trial.images)[0] > wilson(right, trial.images)[1]


def relabelled_correct(confusion: Counts, targets: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """(N,) whether each prediction is right after the best relabelling of its own confusion matrix."""
    order = np.array(best_relabelling(confusion))
    return order[predicted] == targets


def accuracy_of(confusion: Counts) -> tuple[float, float]:
    """Accuracy as declared and with the best relabelling."""
    order = best_relabelling(confusion)
    return accuracy(confusion), float(sum(confusion[target, predicted] for predicted, target in enumerate(order)) / confusion.sum())
