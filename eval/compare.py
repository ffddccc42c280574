"""Two results on the same images: where they disagree, whether the difference is real, and one sentence that says so."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eval.metrics import cohen_kappa, confusion_matrix
from eval.predictions import Predictions, ResultError
from eval.result import Result, load, load_predictions
from eval.significance import Interval, McNemar, mcnemar, paired_bootstrap
from eval.ties import Standing, standings


@dataclass(frozen=True)
class Comparison:
    """accuracy in fractions; difference is A minus B with its paired bootstrap interval; agreement: share of images with the same answer;
    kappa: that agreement beyond chance; disagreements: keys where exactly one is right (first 50 each)."""

    benchmark: str
    protocol: str
    num_images: int
    accuracy: tuple[float, float]
    difference: float
    interval: Interval
    agreement: float
    kappa: float | None
    test: McNemar
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    verdict: str

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "accuracy": list(self.accuracy), "interval": list(self.interval), "only_a": list(self.only_a), "only_b": list(self.only_b)}


def compare_files(a: Path, b: Path) -> Comparison:
    """Load two result files with their predictions and compare. Raises ResultError unless they are of the same benchmark, protocol and images."""
    first, second = load(a), load(b)
    return compare(first, load_predictions(first, a), second, load_predictions(second, b))


def compare(first: Result, a: Predictions, second: Result, b: Predictions) -> Comparison:
    """Compare two results image by image, matched by key."""
    check_same_test_set(first, second)
    b = aligned(a, b)
    test = mcnemar(a.correct, b.correct)
    accuracy = float(a.correct.mean()), float(b.correct.mean())
    interval = paired_bootstrap(a.correct, b.correct, a.targets)
    kappa = cohen_kappa(confusion_matrix(a.predicted, b.predicted, len(a.labels)))
    only_a, only_b = (tuple(np.array(a.keys, dtype=object)[mask][:50].tolist()) for mask in (a.correct & ~b.correct, b.correct & ~a.correct))
    return Comparison(
        benchmark=first.benchmark, protocol=first.protocol, num_images=len(a.keys), accuracy=accuracy, difference=accuracy[0] - accuracy[1],
        interval=interval, agreement=float((a.predicted == b.predicted).mean()), kappa=kappa if np.isfinite(kappa) else None, test=test,
        only_a=only_a, only_b=only_b, verdict=verdict(accuracy, test, interval),
    )  # fmt: skip


def check_same_test_set(first: Result, second: Result) -> None:
    """Raise ResultError unless two results are of one benchmark, version and protocol."""
    if (first.benchmark, first.version, first.protocol) != (second.benchmark, second.version, second.protocol):
        raise ResultError(
            f"{first.benchmark} {first.protocol} (version {first.version}) and {second.benchmark} {second.protocol} (version {second.version})"
            " are different test sets; compare results of the same one"
        )


def rank_files(paths: list[Path]) -> tuple[Standing, ...]:
    """Ranks and tie groups of several results of one test set, named by their files. Raises ResultError."""
    if len(set(paths)) < len(paths):
        raise ResultError("a result file is given twice; give each once")
    results = [load(path) for path in paths]
    predictions = [load_predictions(result, path) for result, path in zip(results, paths, strict=True)]
    for other in results[1:]:
        check_same_test_set(results[0], other)
    correct = {str(path): aligned(predictions[0], item).correct for path, item in zip(paths, predictions, strict=True)}
    return tuple(standings(correct))


def aligned(a: Predictions, b: Predictions) -> Predictions:
    """``b`` in the order of ``a``'s images. Raises ResultError when images, labels or targets differ."""
    position = {key: index for index, key in enumerate(b.keys)}
    if a.labels != b.labels or len(a.keys) != len(b.keys) or any(key not in position for key in a.keys):
        raise ResultError("the two results were made on different images; score both on the same copy of the data set")
    order = np.array([position[key] for key in a.keys])
    if (a.targets != b.targets[order]).any():
        raise ResultError("the two results disagree about the true labels; score both on the same copy of the data set")
    return Predictions(b.labels, a.keys, b.targets[order], b.probabilities[order])


def verdict(accuracy: tuple[float, float], test: McNemar, interval: Interval, alpha: float = 0.05) -> str:
    """One sentence a reader can act on."""
    points = 100 * (accuracy[0] - accuracy[1])
    if test.only_a + test.only_b == 0:
        return "Both are right and wrong on exactly the same images."
    figures = f"{test.only_a} images only A has right, {test.only_b} only B; {test.method}, p = {test.p_value:.2g}"
    if test.p_value < alpha and points != 0:
        better, worse = ("A", "B") if points > 0 else ("B", "A")
        low, high = sorted(100 * bound if points > 0 else -100 * bound for bound in interval)
        return f"{better} is better than {worse} by {abs(points):.2f} points (95 % interval {low:.2f} to {high:.2f}; {figures})."
    return f"The difference of {abs(points):.2f} points cannot be told from chance ({figures})."
