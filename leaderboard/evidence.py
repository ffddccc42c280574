"""What a result carries beside its confusion matrix: contract, calibration, robustness, quality, embeddings. Checked field by field, the rest dropped.

The names and shapes are those of ``eval score --json``. Points of single images are left out: no per-image answer leaves with a result.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from poster.contract import ModelContract
from poster.errors import CheckpointError

MOST_ITEMS = 200  # of any list or table in a block
_PLAIN = re.compile(r"[\w .:+()/,@=#%'-]{0,300}")
_OTHER = re.compile(r"[^\w .:+()/,@=#%'-]")  # what plain text has not


def plain_text(text: str) -> str:
    """The text with the characters a result may hold and no others, at most 300."""
    return _OTHER.sub("", text.replace(";", ","))[:300]


class EvidenceError(ValueError):
    """A block that is not of the shape this project writes."""


@dataclass(frozen=True)
class Kind:
    """A leaf of a shape: a finite number from ``low`` to ``high`` (whole where said), or plain text; None too where it is optional."""

    low: float = -math.inf
    high: float = math.inf
    whole: bool = False
    text: bool = False
    optional: bool = False

    def check(self, value: Any, where: str) -> Any:
        """The value. Raises EvidenceError."""
        if value is None and self.optional:
            return None
        if self.text:
            if not isinstance(value, str) or not _PLAIN.fullmatch(value):
                raise EvidenceError(f"{where} is not plain text of at most 300 characters")
            return value
        if isinstance(value, bool) or not isinstance(value, int if self.whole else (int, float)) or not math.isfinite(value):
            raise EvidenceError(f"{where} is not a {'whole' if self.whole else 'finite'} number")
        if not self.low <= value <= self.high:
            raise EvidenceError(f"{where} is {value}, outside {self.low:g} to {self.high:g}")
        return value


NUMBER, SHARE, COUNT, TEXT = Kind(), Kind(0, 1), Kind(0, 10**9, whole=True), Kind(text=True)
MAYBE, MAYBE_SHARE = Kind(optional=True), Kind(0, 1, optional=True)
SCORED = {"accuracy": SHARE, "interval": [SHARE]}

# A dict names its fields (those missing stay missing), {...: shape} is a table under plain names, [shape] a list, None says: whatever a heatmap
# method measured, numbers under plain names. left_out: why an analysis is not there.
ANALYSES: dict[str, Any] = {
    "scale": {"num_images": COUNT, "points": [{"size": COUNT, **SCORED}], "area_under_curve": NUMBER},
    "robustness": {"num_images": COUNT, "clean": SCORED, "mean_corruption_accuracy": SHARE, "curves": {...: [{"severity": COUNT, **SCORED}]}},
    "flip": {"num_images": COUNT, "same_answer": SHARE, "total_variation": SHARE, **SCORED},
    "quality": {"num_images": COUNT, "correlation": MAYBE, "p_value": MAYBE, "quartiles": [{"quality": TEXT, "images": COUNT, **SCORED}]},
    "geometry": {
        "classes": [TEXT], "centroid_cosine": [[NUMBER]], "inter_class_similarity": NUMBER, "closest_classes": [TEXT],
        "intra_class_discrepancy": NUMBER, "intra_class_discrepancy_per_class": {...: NUMBER}, "within_between": MAYBE, "silhouette": NUMBER,
    },
    "heatmaps": None,
    "left_out": {...: TEXT},
}  # fmt: skip
RELIABILITY = {"counts": [COUNT], "confidence": [MAYBE_SHARE], "accuracy": [MAYBE_SHARE]}
COPIES = {"exact": COUNT, "near": Kind(0, 10**9, whole=True, optional=True), "accuracy_without": MAYBE_SHARE}


def fit(value: Any, shape: Any, where: str) -> Any:
    """``value`` cut down to ``shape``. Raises EvidenceError for anything of another shape."""
    if isinstance(shape, Kind):
        return shape.check(value, where)
    if isinstance(shape, list):
        if not isinstance(value, list) or len(value) > MOST_ITEMS:
            raise EvidenceError(f"{where} is not a list of at most {MOST_ITEMS}")
        return [fit(one, shape[0], f"{where}[{index}]") for index, one in enumerate(value)]
    if not isinstance(value, Mapping) or len(value) > MOST_ITEMS:
        raise EvidenceError(f"{where} is not an object of at most {MOST_ITEMS} fields")
    if ... in shape:
        return {TEXT.check(name, f"a name in {where}"): fit(one, shape[...], f"{where}.{name}") for name, one in value.items()}
    return {name: fit(value[name], one, f"{where}.{name}") for name, one in shape.items() if name in value}


def numbers(value: Any, where: str, depth: int = 5) -> Any:
    """Nested tables and lists of numbers and plain text. Raises EvidenceError."""
    if isinstance(value, bool):
        return value
    if isinstance(value, Mapping | list) and (depth == 0 or len(value) > MOST_ITEMS):
        raise EvidenceError(f"{where} is nested too deeply or has more than {MOST_ITEMS} entries")
    if isinstance(value, Mapping):
        return {TEXT.check(name, f"a name in {where}"): numbers(one, f"{where}.{name}", depth - 1) for name, one in value.items()}
    if isinstance(value, list):
        return [numbers(one, where, depth - 1) for one in value]
    return (TEXT if isinstance(value, str) else MAYBE).check(value, where)


def checked_analyses(value: Any) -> dict[str, Any]:
    """The blocks that are known; a block that says "undefined" is left out. Raises EvidenceError."""
    if not isinstance(value, Mapping):
        raise EvidenceError("the analyses are not an object")
    known = {name: block for name, block in value.items() if name in ANALYSES and not (isinstance(block, Mapping) and "undefined" in block)}
    if not known.get("left_out", True):
        del known["left_out"]
    if not isinstance(known.get("heatmaps", {}), Mapping):
        raise EvidenceError("heatmaps is not an object")
    found = {name: numbers(block, name) if ANALYSES[name] is None else fit(block, ANALYSES[name], name) for name, block in known.items()}
    for name, block in found.items():
        _complete(name, block)
    return found


def _complete(name: str, block: dict[str, Any]) -> None:
    """Raise EvidenceError where a block lacks what its figure draws."""
    needed = {"scale": ("points",), "robustness": ("clean", "curves"), "quality": ("quartiles",), "geometry": ("classes", "centroid_cosine")}
    missing = [field for field in needed.get(name, ()) if field not in block]
    if name == "geometry" and not missing:
        size = len(block["classes"])
        if len(block["centroid_cosine"]) != size or any(len(row) != size for row in block["centroid_cosine"]):
            missing = ["a square centroid_cosine"]
    curves = block.get("curves", {}).values() if name == "robustness" else ()
    points = [*block.get("points", ()), *block.get("quartiles", ()), *(one for curve in curves for one in curve)] if name in needed else []
    if missing or any(len(one.get("interval", ())) != 2 or "accuracy" not in one for one in points):
        raise EvidenceError(f"{name} is incomplete: {', '.join(missing) or 'a point lacks its accuracy or interval'}")


def checked_reliability(value: Any) -> dict[str, Any]:
    """Bins of confidence: how many images, mean confidence, accuracy. {} for none. Raises EvidenceError."""
    if not value:
        return {}
    bins: dict[str, Any] = fit(value, RELIABILITY, "reliability")
    if set(bins) != set(RELIABILITY) or len({len(column) for column in bins.values()}) != 1:
        raise EvidenceError("reliability needs as many counts as confidences and accuracies")
    if any(count and None in (bins["confidence"][place], bins["accuracy"][place]) for place, count in enumerate(bins["counts"])):
        raise EvidenceError("a bin of reliability counts images without saying how right they were")
    return bins


def checked_contract(value: Any) -> dict[str, Any]:
    """The contract the weights were run under, as plain JSON. {} for none. Raises EvidenceError.

    Where the weights come from and their licence are a submitter's own words, which cost no result: what is not plain in them is left out.
    """
    if not value:
        return {}
    if not isinstance(value, Mapping):
        raise EvidenceError("the contract is not an object")
    names = {field.name for field in fields(ModelContract)}
    words = {name: plain_text(value[name]) for name in ("source", "licence") if isinstance(value.get(name), str)}
    value = {**value, **words}
    plain = {name: numbers(list(one) if isinstance(one, tuple) else one, f"contract.{name}") for name, one in value.items() if name in names}
    values: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in plain.items()}
    try:
        ModelContract(**values)
    except (TypeError, ValueError, CheckpointError) as error:
        raise EvidenceError(f"the contract is malformed ({error})"[:300]) from error
    return plain


def checked_copies(value: Any) -> dict[str, Any]:
    """Test images that stand in the training part, counted. {} for none. Raises EvidenceError."""
    return fit(value, COPIES, "copies") if value else {}


def calibration_error(reliability: Mapping[str, Any]) -> float | None:
    """Expected calibration error in fractions (Guo et al. 2017), from the bins; None without any.

    >>> calibration_error({"counts": [1, 3], "confidence": [0.5, 0.9], "accuracy": [0.5, 0.7]})
    0.15
    """
    counts = reliability.get("counts") or []
    if not sum(counts):
        return None
    gaps = [count * abs(a - c) for count, a, c in zip(counts, reliability["accuracy"], reliability["confidence"], strict=True) if count]
    return round(sum(gaps) / sum(counts), 12)
