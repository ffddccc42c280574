"""How accuracy falls when pictures get worse: corruptions at five severities, input resolution, mirroring."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.corruptions import CORRUPTIONS, SEVERITIES, Corruption, lower_resolution
from eval.inference import batches
from eval.probe import stratified
from eval.problems import area_under_scale_curve
from eval.run import Progress, Run
from eval.significance import wilson

SIZES = (16, 24, 32, 48, 64, 96, 112, 160, 224)
Change = Callable[[NDArray[np.uint8], int], NDArray[np.uint8]]  # one image and its position -> the changed image


def sample(run: Run, count: int) -> NDArray[np.int64]:
    """Positions of the images an analysis uses: all when ``count`` is 0, else about so many, each class in its share."""
    return np.arange(len(run.images)) if count == 0 else stratified(run.images.targets, count)


def probabilities(run: Run, chosen: NDArray[np.int64], change: Change) -> NDArray[np.float64]:
    """(n, K) probabilities for changed images."""

    def transform(block: NDArray[np.uint8], start: int) -> NDArray[np.uint8]:
        return np.stack([change(image, int(chosen[start + offset])) for offset, image in enumerate(block)])

    parts = batches(run.model, run.pixels[chosen], run.contract, run.compute, transform)
    return run.labels.probabilities(np.concatenate([part["logits"] for part in parts]))


def _accuracy(run: Run, chosen: NDArray[np.int64], values: NDArray[np.float64]) -> dict[str, Any]:
    right = int((values.argmax(axis=1) == run.images.targets[chosen]).sum())
    return {"accuracy": right / len(chosen), "interval": list(wilson(right, len(chosen)))}


def _corrupted(corrupt: Corruption, severity: int, image: NDArray[np.uint8], position: int) -> NDArray[np.uint8]:
    return corrupt(image, severity, position)


def _reduced(size: int, image: NDArray[np.uint8], position: int) -> NDArray[np.uint8]:
    return lower_resolution(image, size)


def corruption_accuracy(run: Run, count: int = 500, progress: Progress | None = None) -> dict[str, Any]:
    """Accuracy under each corruption at five severities, their mean, and the clean accuracy on the same images."""
    chosen = sample(run, count)
    clean = run.predictions.probabilities[chosen]
    curves: dict[str, list[dict[str, Any]]] = {}
    for number, (name, corrupt) in enumerate(CORRUPTIONS.items()):
        curves[name] = []
        for severity in SEVERITIES:
            values = probabilities(run, chosen, partial(_corrupted, corrupt, severity))
            curves[name].append({"severity": severity, **_accuracy(run, chosen, values)})
            if progress:
                progress("robustness", (number * len(SEVERITIES) + severity) * len(chosen), len(CORRUPTIONS) * len(SEVERITIES) * len(chosen))
    mean = float(np.mean([point["accuracy"] for curve in curves.values() for point in curve]))
    return {"num_images": len(chosen), "clean": _accuracy(run, chosen, clean), "mean_corruption_accuracy": mean, "curves": curves}


def flip_consistency(run: Run, count: int = 500) -> dict[str, Any]:
    """Mirrored images: share with the same answer, and the mean total variation between the two probability vectors."""
    chosen = sample(run, count)
    clean = run.predictions.probabilities[chosen]
    flipped = probabilities(run, chosen, lambda image, position: image[:, ::-1])
    return {
        "num_images": len(chosen),
        "same_answer": float((clean.argmax(axis=1) == flipped.argmax(axis=1)).mean()),
        "total_variation": float(0.5 * np.abs(clean - flipped).sum(axis=1).mean()),
        **_accuracy(run, chosen, flipped),
    }


def scale_sensitivity(run: Run, count: int = 500, progress: Progress | None = None) -> dict[str, Any]:
    """Accuracy when the face has 16 to 224 px (up to the model's input size), and the area under that curve over octaves."""
    chosen = sample(run, count)
    side = run.pixels.shape[1]
    sizes = [size for size in SIZES if size < side] + [side]
    points = []
    for number, size in enumerate(sizes, 1):
        values = probabilities(run, chosen, partial(_reduced, size))
        points.append({"size": size, **_accuracy(run, chosen, values)})
        if progress:
            progress("resolutions", number * len(chosen), len(sizes) * len(chosen))
    area = area_under_scale_curve(sizes, [point["accuracy"] for point in points])
    return {"num_images": len(chosen), "points": points, "area_under_curve": area}
