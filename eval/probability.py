"""Scores of predicted probabilities (N, K): top-k, log loss, Brier, calibration, soft votes. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def softmax(logits: NDArray[Any]) -> Floats:
    """Row-wise softmax in float64: (N, K) -> (N, K), rows sum to 1."""
    logits = np.asarray(logits, dtype=np.float64)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def top_k_accuracy(probabilities: Floats, targets: NDArray[Any], k: int = 2) -> float:
    """Share of images whose true label is among the k most probable (of equals the lower index counts as more probable).

    >>> top_k_accuracy(np.array([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]]), np.array([1, 2]), 2)
    0.5
    """
    top = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
    return float((top == np.asarray(targets)[:, None]).any(axis=1).mean())


def log_loss(probabilities: Floats, targets: NDArray[Any]) -> float:
    """Mean negative log probability of the true label (nats). Infinite where a true label was given probability 0."""
    with np.errstate(divide="ignore"):
        return float(-np.log(probabilities[np.arange(len(targets)), targets]).mean())


def brier(probabilities: Floats, targets: NDArray[Any]) -> float:
    """Mean squared distance to the one-hot truth, summed over classes (Brier 1950): 0 is perfect, 2 the worst.

    >>> brier(np.array([[1.0, 0.0], [0.5, 0.5]]), np.array([0, 0]))
    0.25
    """
    truth = np.eye(probabilities.shape[1])[targets]
    return float(((probabilities - truth) ** 2).sum(axis=1).mean())


@dataclass(frozen=True)
class Reliability:
    """Reliability curve: per bin of confidence (count,) the mean confidence and the accuracy, nan in an empty bin."""

    edges: Floats
    counts: NDArray[np.int64]
    confidence: Floats
    accuracy: Floats

    @property
    def expected_calibration_error(self) -> float:
        """ECE: mean over images of the gap between confidence and accuracy of their bin (Guo et al. 2017)."""
        filled = self.counts > 0
        gaps = np.abs(self.accuracy[filled] - self.confidence[filled])
        return float((gaps * self.counts[filled]).sum() / self.counts.sum())


def reliability(probabilities: Floats, targets: NDArray[Any], bins: int = 15) -> Reliability:
    """Bin images by the probability of their prediction into ``bins`` equal intervals (left open, right closed).

    >>> reliability(np.array([[0.9, 0.1], [0.9, 0.1]]), np.array([0, 1])).expected_calibration_error.__round__(3)
    0.4
    """
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == np.asarray(targets)
    edges = np.linspace(0, 1, bins + 1)
    index = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    counts = np.bincount(index, minlength=bins)
    mean = np.full((2, bins), np.nan)
    filled = counts > 0
    for row, values in enumerate((confidence, correct)):
        mean[row, filled] = np.bincount(index, weights=values, minlength=bins)[filled] / counts[filled]
    return Reliability(edges, counts, mean[0], mean[1])


def soft_cross_entropy(probabilities: Floats, votes: Floats) -> float:
    """Mean cross-entropy (nats) from the annotators' vote distribution (N, K), rows summing to 1. Infinite where a voted label got 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(votes > 0, votes * np.log(probabilities), 0.0)
    return float(-terms.sum(axis=1).mean())


def vote_entropy(votes: Floats) -> float:
    """Mean entropy (nats) of the vote distributions: the smallest soft cross-entropy any model can reach."""
    return soft_cross_entropy(votes, votes)
