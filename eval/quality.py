"""Does the length of the embedding follow picture quality (the AdaFace idea)? BRISQUE from a library, rank correlation, accuracy by quartile."""

from __future__ import annotations

import importlib.util
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from eval.inference import stride
from eval.run import Progress, Run
from eval.significance import wilson
from poster.errors import InputError


def brisque_scorer() -> Any:
    """A function from an RGB image (H, W, 3) uint8 to its BRISQUE (Mittal et al. 2012): 0 is good, 100 is bad. Raises InputError without the package."""
    if importlib.util.find_spec("brisque") is None:
        raise InputError("the quality analysis needs the package brisque; install it with `pip install brisque` or leave out this analysis")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # its imports of SciPy's old names
        from brisque import BRISQUE

    class Scorer(BRISQUE):
        """Its features hold arrays of one element, which NumPy 2.4 no longer turns into numbers by itself."""

        def scale_features(self, features: Any) -> Any:
            return super().scale_features([float(np.ravel(value)[0]) for value in features])

    return Scorer(url=False).score


def image_quality(run: Run, chosen: NDArray[np.int64], progress: Progress | None = None) -> NDArray[np.float64]:
    """(n,) BRISQUE of the original pictures; nan where it is undefined (a blank picture)."""
    score = brisque_scorer()
    values = np.full(len(chosen), np.nan)
    for number, position in enumerate(chosen):
        image = run.images.source.read(int(position))
        colour = image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)
        if image.std() > 0:
            values[number] = float(np.ravel(score(colour))[0])
        if progress:
            progress("picture quality", number + 1, len(chosen))
    return values


def quality_analysis(run: Run, chosen: NDArray[np.int64], progress: Progress | None = None) -> dict[str, Any]:
    """Measure quality and put it beside embedding length and correctness."""
    quality = image_quality(run, chosen, progress)
    norms = None if run.outputs.embeddings is None else lengths(run.outputs.embeddings, chosen, stride(len(run.images)))
    return relate(quality, norms, run.predictions.correct[chosen])


def lengths(embeddings: NDArray[np.float32], chosen: NDArray[np.int64], step: int) -> NDArray[np.float64]:
    """(n,) length of the embedding of each chosen image; nan where a large run kept only every ``step``-th one and this is none of them."""
    found = np.full(len(chosen), np.nan)
    kept = chosen % step == 0
    found[kept] = np.linalg.norm(embeddings[chosen[kept] // step], axis=1)
    return found


def relate(brisque: NDArray[np.float64], norms: NDArray[np.float64] | None, correct: NDArray[np.bool_]) -> dict[str, Any]:
    """Spearman correlation of the embedding norm with quality (minus BRISQUE), and accuracy by quality quartile; images with nan are left out of each."""
    measured = np.isfinite(brisque)
    quality, right = -brisque[measured], correct[measured]
    if len(quality) < 4:
        return {"undefined": "fewer than four pictures have a measurable quality"}
    found: dict[str, Any] = {"num_images": len(quality), "unmeasured": int((~measured).sum()), "correlation": None}
    both = measured & np.isfinite(norms) if norms is not None else measured
    if norms is None:
        found["correlation_undefined"] = "the model has no embedding before its head"
    elif both.sum() < 4:
        found["correlation_undefined"] = "fewer than four of these pictures have their embedding kept"
    elif np.ptp(norms[both]) == 0 or np.ptp(brisque[both]) == 0:
        found["correlation_undefined"] = "all lengths or all qualities are equal"
    else:
        test = stats.spearmanr(norms[both], -brisque[both])
        found |= {"correlation": float(test.statistic), "p_value": float(test.pvalue)}
        found["points"] = np.round(np.column_stack([brisque[both], norms[both]]), 4)[:1000].tolist()
    quartile = np.minimum(stats.rankdata(quality, method="ordinal") - 1, len(quality) - 1) * 4 // len(quality)
    found["quartiles"] = []
    for number in range(4):
        hits, total = int(right[quartile == number].sum()), int((quartile == number).sum())
        found["quartiles"].append(
            {"quality": ("lowest", "low", "high", "highest")[number], "images": total, "accuracy": hits / total, "interval": list(wilson(hits, total))}
        )
    return found
