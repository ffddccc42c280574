"""Scores of a classifier as pure functions of the confusion matrix: rows are the true labels, columns the predicted ones.

A score that a set cannot define (a class without images, say) is ``nan`` in the per-class arrays and is left out of the
averages over classes by name: an average runs over the classes that have images, never over a nan.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]  # (K, K)
Floats = NDArray[np.float64]


def confusion_matrix(targets: NDArray[Any], predictions: NDArray[Any], num_classes: int) -> Counts:
    """Count (true, predicted) pairs: (N,), (N,) -> (K, K). Raises ValueError for a label outside 0..K-1 or unequal lengths.

    >>> confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    targets, predictions = np.asarray(targets, dtype=np.int64), np.asarray(predictions, dtype=np.int64)
    if targets.shape != predictions.shape or targets.ndim != 1:
        raise ValueError(f"targets {targets.shape} and predictions {predictions.shape} must be two lists of one length")
    for name, values in (("target", targets), ("prediction", predictions)):
        if values.size and not 0 <= values.min() <= values.max() < num_classes:
            raise ValueError(f"a {name} lies outside 0..{num_classes - 1}")
    return np.bincount(targets * num_classes + predictions, minlength=num_classes**2).reshape(num_classes, num_classes)


def ratio(numerator: Any, denominator: Any) -> Floats:
    """Elementwise quotient, ``nan`` where the denominator is 0 (undefined, not 0)."""
    numerator, denominator = np.asarray(numerator, dtype=np.float64), np.asarray(denominator, dtype=np.float64)
    return np.divide(numerator, denominator, out=np.full(np.broadcast(numerator, denominator).shape, np.nan), where=denominator != 0)


def accuracy(confusion: Counts) -> float:
    """Share of images predicted correctly.

    >>> accuracy(np.array([[3, 1], [0, 4]]))
    0.875
    """
    return float(ratio(np.trace(confusion), confusion.sum()))


def recall(confusion: Counts) -> Floats:
    """Per class the share of its images that were predicted so (K,); nan for a class without images."""
    return ratio(np.diag(confusion), confusion.sum(1))


def precision(confusion: Counts) -> Floats:
    """Per class the share of the predictions of it that were right (K,); 0 for a class with images that was never predicted.

    A class that has neither images nor predictions is nan.
    """
    values = ratio(np.diag(confusion), confusion.sum(0))
    return np.where(np.isnan(values) & (confusion.sum(1) > 0), 0.0, values)


def f1(confusion: Counts) -> Floats:
    """Per class the harmonic mean of precision and recall (K,): 2 TP / (2 TP + FP + FN); nan without images and predictions.

    >>> f1(np.array([[2, 0], [1, 1]])).round(3).tolist()
    [0.8, 0.667]
    """
    return ratio(2 * np.diag(confusion), confusion.sum(0) + confusion.sum(1))


def mean_over_present(values: Floats, confusion: Counts) -> float:
    """Mean of a per-class score over the classes that have images; nan when none has."""
    present = confusion.sum(1) > 0
    return float(values[present].mean()) if present.any() else float("nan")


def mean_class_accuracy(confusion: Counts) -> float:
    """Unweighted average recall (UAR): every class counts alike, whatever its number of images.

    >>> mean_class_accuracy(np.array([[8, 2], [1, 1]]))
    0.65
    """
    return mean_over_present(recall(confusion), confusion)


def macro_f1(confusion: Counts) -> float:
    """Mean of the per-class F1 over the classes that have images."""
    return mean_over_present(f1(confusion), confusion)


def weighted_f1(confusion: Counts) -> float:
    """Mean of the per-class F1, each class weighted by its number of images."""
    support = confusion.sum(1)
    present = support > 0
    return float(np.average(f1(confusion)[present], weights=support[present])) if present.any() else float("nan")


def cohen_kappa(confusion: Counts) -> float:
    """Agreement beyond chance (Cohen 1960); nan where chance alone already agrees everywhere.

    >>> round(cohen_kappa(np.array([[20, 5], [10, 15]])), 3)
    0.4
    """
    total = confusion.sum()
    if total == 0:
        return float("nan")
    chance = float((confusion.sum(0) / total) @ (confusion.sum(1) / total))
    return float(ratio(accuracy(confusion) - chance, 1 - chance))
