"""Face verification from embeddings: ten-fold accuracy and TAR at a fixed FAR, after InsightFace's and AdaFace's protocol. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Verification:
    """accuracy: mean over folds, spread its standard deviation; threshold: mean cosine above which a pair counts as same;
    tar: FAR -> share of same pairs accepted, None where there are too few different pairs to set that FAR."""

    pairs: int
    accuracy: float
    spread: float
    threshold: float
    tar: dict[str, float | None]


def fuse(embeddings: Floats, flipped: Floats) -> Floats:
    """Picture and mirror image as one unit vector: (N, D), (N, D), each with its length still in it (AdaFace's fusion), -> (N, D)."""
    total = np.asarray(embeddings, np.float64) + np.asarray(flipped, np.float64)
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return total / np.where(length > 0, length, 1)


def folds(count: int, number: int = 10) -> list[NDArray[np.int64]]:
    """Consecutive test folds, the first ones larger by one where ``count`` does not divide (scikit-learn's KFold without shuffling)."""
    return [np.asarray(part, dtype=np.int64) for part in np.array_split(np.arange(count), min(number, count))]


def best_threshold(similarity: Floats, same: NDArray[np.bool_]) -> float:
    """The cosine that separates these pairs best: midway between neighbouring similarities, the lowest of equals."""
    order = np.argsort(-similarity, kind="stable")
    ranked = similarity[order]
    # Accepting the first k pairs is right on the same pairs among them and on the different ones after them.
    right = np.concatenate([[0], np.cumsum(same[order])]) + (~same).sum() - np.concatenate([[0], np.cumsum(~same[order])])
    possible = np.concatenate([[True], ranked[:-1] > ranked[1:], [True]])
    cut = int(np.flatnonzero(possible)[::-1][np.argmax(right[possible][::-1])])
    edges = np.concatenate([[ranked[0] + 1e-6], (ranked[:-1] + ranked[1:]) / 2, [ranked[-1] - 1e-6]])
    return float(edges[cut])


def ten_fold(similarity: Floats, same: NDArray[np.bool_], number: int = 10) -> tuple[float, float, float]:
    """Mean and standard deviation of the accuracy over the folds, mean threshold; each threshold comes from the other folds."""
    accuracies, thresholds = [], []
    for test in folds(len(same), number):
        rest = np.setdiff1d(np.arange(len(same)), test)
        threshold = best_threshold(similarity[rest], same[rest])
        accuracies.append(float(((similarity[test] > threshold) == same[test]).mean()))
        thresholds.append(threshold)
    return float(np.mean(accuracies)), float(np.std(accuracies)), float(np.mean(thresholds))


def tar_at_far(similarity: Floats, same: NDArray[np.bool_], far: float) -> float | None:
    """Share of same pairs above the threshold that lets at most ``far`` of the different pairs pass; None unless that is one pair at least."""
    different = np.sort(similarity[~same])[::-1]
    allowed = int(np.floor(far * len(different) + 1e-9))
    if allowed < 1 or not same.any():
        return None
    threshold = different[allowed] if allowed < len(different) else -np.inf
    return float((similarity[same] > threshold).mean())


def verify(embeddings: Floats, same: NDArray[np.bool_]) -> Verification:
    """Score unit embeddings (2 P, D), pair i at rows 2 i and 2 i + 1, against (P,) flags."""
    similarity = (embeddings[0::2] * embeddings[1::2]).sum(axis=1)
    accuracy, spread, threshold = ten_fold(similarity, same)
    return Verification(len(same), accuracy, spread, threshold, {str(far): tar_at_far(similarity, same, far) for far in (1e-3, 1e-4)})
