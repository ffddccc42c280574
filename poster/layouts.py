"""Which entries each architecture's state dict has, readable without torch: `layouts.json`, written from the models themselves.

``python -m poster.layouts`` writes it again; a test fails while it differs from the models.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path

PATH = Path(__file__).with_name("layouts.json")
HEAD_KINDS = ("linear", "adaface", "arcface", "cosface", "none")
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Layout:
    """One architecture without its head: entry -> shape, the width the head reads, the input's side in pixels."""

    name: str
    features: int
    input_size: int
    entries: Mapping[str, Shape]

    def head(self, kind: str, num_classes: int) -> dict[str, Shape]:
        """The entries of a head: a linear layer, or a kernel with one column a class (AdaFace's with its running statistics)."""
        if kind == "none":
            return {}
        if kind == "linear":
            return {"head.weight": (num_classes, self.features), "head.bias": (num_classes,)}
        statistics: dict[str, Shape] = {"head.batch_mean": (1,), "head.batch_std": (1,)} if kind == "adaface" else {}
        return {"head.kernel": (self.features, num_classes), **statistics}


@cache
def layouts() -> dict[str, Layout]:
    """Every architecture by name."""
    table = json.loads(PATH.read_text())
    return {name: Layout(name, row["features"], row["input_size"], unfold(row["entries"])) for name, row in table.items()}


def fold(entries: Mapping[str, Shape]) -> dict[str, list[int]]:
    """Write runs of entries that differ in one number only as one: ``blocks.{0-7}.norm.weight``. The inverse of :func:`unfold`.

    >>> fold({"b.0.w": (2,), "b.1.w": (2,), "n": ()})
    {'b.{0-1}.w': [2], 'n': []}
    """

    def template(key: str) -> tuple[str, int]:
        numbers = list(re.finditer(r"(?<=\.)\d+(?=\.)", key))
        return (key[: numbers[-1].start()] + "{}" + key[numbers[-1].end() :], int(numbers[-1][0])) if numbers else (key, -1)

    groups: dict[tuple[str, Shape], list[int]] = {}
    for key, shape in entries.items():
        pattern, number = template(key)
        groups.setdefault((pattern, tuple(shape)), []).append(number)
    folded = {}
    for (pattern, shape), numbers in groups.items():
        for _, run in groupby(enumerate(sorted(numbers)), lambda pair: pair[1] - pair[0]):
            found = [number for _, number in run]
            folded[pattern.replace("{}", f"{{{found[0]}-{found[-1]}}}")] = list(shape)
    return folded


def unfold(folded: Mapping[str, Iterable[int]]) -> dict[str, Shape]:
    """The entries that :func:`fold` wrote shortly."""
    entries = {}
    for pattern, shape in folded.items():
        run = re.search(r"\{(\d+)-(\d+)\}", pattern)
        for number in range(int(run[1]), int(run[2]) + 1) if run else (None,):
            entries[pattern if run is None else pattern.replace(run[0], str(number))] = tuple(shape)
    return entries


def from_models() -> str:
    """The text of `layouts.json`, from the registered models (built without memory, on torch's meta device)."""
    import torch

    from poster.models import ARCHITECTURES, create_model

    table = {}
    for name in ARCHITECTURES:
        with torch.device("meta"):
            model = create_model(name)
        entries = {key: tuple(value.shape) for key, value in model.state_dict().items() if not key.startswith("head.")}
        size = getattr(model, "img_size", 112)  # AdaFace's network takes 112 only
        table[name] = {"features": model.num_features, "input_size": size, "entries": fold(entries)}
    lines = json.dumps(table, indent=0)
    return re.sub(r"\[\s*([\d,\s]*?)\s*\]", lambda m: "[" + ", ".join(m[1].split(",")).replace("\n", "") + "]", lines) + "\n"


if __name__ == "__main__":
    PATH.write_text(from_models())
