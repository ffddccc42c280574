"""The measurements beyond the scores, run on request and stored with the result: resolution, corruptions, quality, copies."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from poster.errors import InputError

if TYPE_CHECKING:
    from eval.run import Progress, Run

ANALYSES = ("scale", "robustness", "quality", "copies")


def chosen_analyses(text: str, sample: int) -> tuple[str, ...]:
    """The names in "scale,quality" or "all". Raises InputError for another name or a negative sample."""
    if sample < 0:
        raise InputError(f"the sample of {sample} images is negative; give a number, or 0 for all")
    names = ANALYSES if text == "all" else tuple(word.strip() for word in text.split(",") if word.strip())
    unknown = [name for name in names if name not in ANALYSES]
    if unknown:
        raise InputError(f"{unknown[0]!r} is not one of the analyses {', '.join(ANALYSES)}, or all")
    return names


def analyse(run: Run, names: tuple[str, ...], sample: int, training: str | None, out: Path, progress: Progress | None = None) -> Run:
    """Make the named analyses and store them with the result. Raises InputError, after which the scores are stored all the same."""
    from eval.run import with_analyses

    for name in names:
        run = with_copies(run, training, out) if name == "copies" else with_analyses(run, measure(run, name, sample, progress), out)
    return run


def measure(run: Run, name: str, sample: int, progress: Progress | None = None) -> dict[str, Any]:
    """The blocks of one analysis (any but copies) by their names in a result. sample: images, drawn by a fixed seed; 0 for all. Raises InputError."""
    from eval import quality, robustness

    if name == "scale":
        return {"scale": robustness.scale_sensitivity(run, sample, progress)}
    if name == "robustness":
        return {"robustness": robustness.corruption_accuracy(run, sample, progress), "flip": robustness.flip_consistency(run, sample)}
    return {"quality": quality.quality_analysis(run, robustness.sample(run, sample), progress)}


def with_copies(run: Run, training: str | None, out: Path) -> Run:
    """Look for the test images in the training part and put what was found into the diagnosis."""
    from eval.catalogue import find
    from eval.duplicates import find_copies, leak_report
    from eval.load import load
    from eval.run import with_analyses

    benchmark = find(run.result.benchmark, run.result.protocol)
    found = find_copies(run.images, load(benchmark, training, split="train").images)
    report: dict[str, Any] = leak_report(run.predictions, np.array(found.exact, dtype=np.int64), np.array(found.near, dtype=np.int64), found.partner)
    result = dataclasses.replace(run.result, diagnosis={**run.result.diagnosis, "copies": report})
    return with_analyses(dataclasses.replace(run, result=result), {}, out)
