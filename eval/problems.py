"""The three problems the POSTER paper names, measured: inter-class similarity, intra-class discrepancy, scale sensitivity. Pure functions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SILHOUETTE_IMAGES = 2000  # pairwise distances of more would take minutes


def unit(vectors: NDArray[Any]) -> Floats:
    """Rows scaled to length 1; a zero row stays zero."""
    vectors = np.asarray(vectors, dtype=np.float64)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(length > 0, length, 1)


def class_geometry(embeddings: NDArray[Any], targets: NDArray[np.int64], labels: tuple[str, ...], seed: int = 0) -> dict[str, Any]:
    """Geometry of the embeddings (N, D) before the head, each scaled to length 1; only classes with at least two images count.

    inter_class_similarity: mean cosine between centroids of different classes (1: the classes point the same way).
    intra_class_discrepancy: mean over classes of 1 - cosine to the own centroid. within_between: trace of the within-class scatter over
    that of the between-class scatter, classes weighted by their images. silhouette: mean, Euclidean, on at most 2,000 images.
    """
    vectors = unit(embeddings)
    present = [index for index in range(len(labels)) if (targets == index).sum() >= 2]
    if len(present) < 2:
        return {"undefined": "fewer than two classes have two images"}
    kept = np.isin(targets, present)
    vectors, targets = vectors[kept], targets[kept]
    means = np.stack([vectors[targets == index].mean(axis=0) for index in present])
    centroids = unit(means)
    cosine = np.clip(centroids @ centroids.T, -1, 1)
    own = np.searchsorted(present, targets)
    discrepancy = 1 - (vectors * centroids[own]).sum(axis=1)
    per_class = [float(discrepancy[own == position].mean()) for position in range(len(present))]
    within = float(((vectors - means[own]) ** 2).sum())
    between = float(((means[own] - vectors.mean(axis=0)) ** 2).sum())
    different = ~np.eye(len(present), dtype=bool)
    closest = np.unravel_index(np.where(different, cosine, -2).argmax(), cosine.shape)
    return {
        "classes": [labels[index] for index in present],
        "centroid_cosine": np.round(cosine, 6).tolist(),
        "inter_class_similarity": float(cosine[different].mean()),
        "closest_classes": [labels[present[int(position)]] for position in closest],
        "intra_class_discrepancy": float(np.mean(per_class)),
        "intra_class_discrepancy_per_class": dict(zip((labels[index] for index in present), per_class, strict=True)),
        "within_between": within / between if between > 0 else None,
        "silhouette": silhouette(vectors, own, seed),
    }


def silhouette(vectors: Floats, groups: NDArray[np.int64], seed: int = 0) -> float:
    """Mean silhouette (Rousseeuw 1987) with Euclidean distances: (b - a) / max(a, b); groups of one image count 0."""
    if len(vectors) > SILHOUETTE_IMAGES:
        chosen = np.random.default_rng(seed).choice(len(vectors), SILHOUETTE_IMAGES, replace=False)
        vectors, groups = vectors[chosen], groups[chosen]
    names, groups = np.unique(groups, return_inverse=True)
    squared = (vectors**2).sum(axis=1)
    distance = np.sqrt(np.clip(squared[:, None] + squared[None] - 2 * vectors @ vectors.T, 0, None))
    np.fill_diagonal(distance, 0)
    member = np.eye(len(names))[groups]
    sizes, rows = member.sum(axis=0), np.arange(len(groups))
    to_group = distance @ member
    a = to_group[rows, groups] / np.maximum(sizes[groups] - 1, 1)
    means = to_group / sizes
    means[rows, groups] = np.inf
    b = means.min(axis=1)
    scale = np.maximum(a, b)
    values = np.where((sizes[groups] > 1) & (scale > 0), (b - a) / np.where(scale > 0, scale, 1), 0.0)
    return float(values.mean())


def plane(embeddings: NDArray[Any], limit: int = 300, seed: int = 0) -> dict[str, Any]:
    """A picture of the embeddings and what it is worth: the first two principal components of at most ``limit`` unit embeddings.

    rows: positions of the images drawn; explained: share of the variance the two axes hold; neighbours: share of each image's ten
    nearest neighbours in the full space that are among its ten nearest in the picture.
    """
    rows = np.arange(len(embeddings))
    if len(rows) > limit:
        rows = np.sort(np.random.default_rng(seed).choice(len(rows), limit, replace=False))
    centred = unit(embeddings[rows])
    centred = centred - centred.mean(axis=0)
    left, scale, _ = np.linalg.svd(centred, full_matrices=False)
    points = (left * scale)[:, :2]
    total = float((scale**2).sum())
    k = min(10, len(rows) - 1)
    shared = [len(set(a) & set(b)) / k for a, b in zip(_nearest(centred, k), _nearest(points, k), strict=True)] if k else []
    return {
        "rows": rows.tolist(),
        "points": np.round(points, 5).tolist(),
        "explained": float((scale[:2] ** 2).sum()) / total if total > 0 else None,
        "neighbours": float(np.mean(shared)) if shared else None,
    }


def _nearest(vectors: Floats, k: int) -> NDArray[np.int64]:
    squared = (vectors**2).sum(axis=1)
    distance = squared[:, None] + squared[None] - 2 * vectors @ vectors.T
    np.fill_diagonal(distance, np.inf)
    return np.argpartition(distance, k - 1, axis=1)[:, :k]


def area_under_scale_curve(sizes: list[int], accuracy: list[float]) -> float:
    """Area under accuracy over log2(input resolution), divided by the width: the mean accuracy over octaves.

    >>> area_under_scale_curve([16, 32, 64], [0.0, 0.5, 1.0])
    0.5
    """
    x = np.log2(np.asarray(sizes, dtype=np.float64))
    return float(np.trapezoid(accuracy, x) / (x[-1] - x[0]))
