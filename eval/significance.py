"""How sure a score is and whether two scores differ: Wilson and bootstrap intervals, McNemar, paired bootstrap. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.metrics import Counts

Interval = tuple[float, float]
DRAWN = 1 << 20  # images drawn at once by a bootstrap: 16 MB, however many images there are


def z_value(level: float = 0.95) -> float:
    """The two-sided normal quantile: 1.96 at 0.95."""
    return NormalDist().inv_cdf(0.5 + level / 2)


def wilson(successes: int, total: int, level: float = 0.95) -> Interval:
    """Wilson score interval of a proportion (Wilson 1927). Raises ValueError unless 0 <= successes <= total and total > 0.

    >>> [round(bound, 4) for bound in wilson(92, 100)]
    [0.85, 0.9589]
    """
    if not 0 <= successes <= total or total == 0:
        raise ValueError(f"{successes} of {total} is not a proportion")
    z = z_value(level)
    share = successes / total
    centre = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    low, high = (0.0 if successes == 0 else centre - half), (1.0 if successes == total else centre + half)
    return low, high


def bootstrap_confusion(confusion: Counts, score: Callable[[Counts], float], resamples: int = 1000, seed: int = 0, level: float = 0.95) -> Interval:
    """Stratified percentile bootstrap of a score of the confusion matrix.

    Drawing the images of each true class with replacement is a multinomial draw of that row, so no image list is needed.
    """
    draws = resample_confusion(confusion, resamples, seed)
    return percentile_interval(np.array([score(draw) for draw in draws]), level)


def resample_confusion(confusion: Counts, resamples: int, seed: int) -> NDArray[np.int64]:
    """(R, K, K): confusion matrices of ``resamples`` test sets drawn within each true class."""
    rng = np.random.default_rng(seed)
    rows = [rng.multinomial(row.sum(), row / row.sum(), size=resamples) if row.sum() else np.zeros((resamples, len(row)), np.int64) for row in confusion]
    return np.stack(rows, axis=1)


def bootstrap_mean(values: NDArray[Any], targets: NDArray[Any], resamples: int = 1000, seed: int = 0, level: float = 0.95) -> Interval:
    """Stratified percentile bootstrap of the mean of a per-image value (N,), a loss for example: images are drawn within each true class."""
    rng = np.random.default_rng(seed)
    totals = np.zeros(resamples)
    for label in np.unique(targets):
        members = np.asarray(values, np.float64)[targets == label]
        step = max(1, DRAWN // len(members))
        for start in range(0, resamples, step):
            count = min(step, resamples - start)
            totals[start : start + count] += members[rng.integers(0, len(members), size=(count, len(members)))].sum(axis=1)
    return percentile_interval(totals / len(targets), level)


def percentile_interval(draws: NDArray[Any], level: float = 0.95) -> Interval:
    """The central ``level`` share of the draws."""
    low, high = np.quantile(draws, [0.5 - level / 2, 0.5 + level / 2])
    return float(low), float(high)


@dataclass(frozen=True)
class McNemar:
    """Paired test of two classifiers on the same images: ``only_a`` images only A had right, ``only_b`` only B."""

    only_a: int
    only_b: int
    p_value: float
    method: str


def mcnemar(correct_a: NDArray[Any], correct_b: NDArray[Any], exact_below: int = 25) -> McNemar:
    """McNemar's test from two (N,) arrays of right or wrong: exact binomial below 25 disagreements, else chi-square with continuity correction.

    >>> mcnemar(np.array([1, 1, 1, 0], bool), np.array([0, 0, 0, 1], bool)).p_value
    0.625
    """
    from scipy import stats  # a second to import, and the leaderboard's page needs the rest of this file at its start

    correct_a, correct_b = np.asarray(correct_a, bool), np.asarray(correct_b, bool)
    if correct_a.shape != correct_b.shape:
        raise ValueError("the two results cover different images")
    only_a, only_b = int((correct_a & ~correct_b).sum()), int((correct_b & ~correct_a).sum())
    disagree = only_a + only_b
    if disagree == 0:
        return McNemar(0, 0, 1.0, "no disagreement")
    if disagree < exact_below:
        return McNemar(only_a, only_b, float(stats.binomtest(only_a, disagree, 0.5).pvalue), "exact binomial")
    statistic = max(abs(only_a - only_b) - 1, 0) ** 2 / disagree
    return McNemar(only_a, only_b, float(stats.chi2.sf(statistic, 1)), "chi-square with continuity correction")


def paired_bootstrap(
    correct_a: NDArray[Any], correct_b: NDArray[Any], targets: NDArray[Any], resamples: int = 2000, seed: int = 0, level: float = 0.95
) -> Interval:
    """Interval of accuracy(A) - accuracy(B), both measured on the same stratified resamples of the images."""
    difference = np.asarray(correct_a, np.float64) - np.asarray(correct_b, np.float64)
    return bootstrap_mean(difference, targets, resamples, seed, level)


def smallest_gap(num_images: int, disagreement: float = 0.06, level: float = 0.95) -> float:
    """The smallest accuracy gap McNemar's test can show when two models disagree on this share of the images.

    >>> round(100 * smallest_gap(3068), 2), round(100 * smallest_gap(20987), 2)
    (0.87, 0.33)
    """
    return z_value(level) * math.sqrt(disagreement * num_images) / num_images
