"""A small problem that a tiny network learns in seconds: eight classes told apart by which eighth of the picture is bright."""

from __future__ import annotations

import numpy as np

TINY = {"depths": (1, 1, 1), "channels": (8, 16, 32), "stem": 8, "landmark_scale": 0.125, "heads": (1, 1, 1), "embed_dim": 32, "embed_heads": 2, "depth": 1}


def bright_eighths(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures uint8 (N, 48, 48) and labels int64 (N,)."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 8, count)
    images = rng.integers(0, 60, (count, 48, 48), dtype=np.uint8)
    for row, label in enumerate(labels):
        images[row, (label // 4) * 24 :][:24, (label % 4) * 12 :][:, :12] += 150
    return images, labels
