"""``python -m eval card WEIGHTS RESULT.json [RESULT.json ...]``: the card of a checkpoint trained here, beside its recipe and log."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from eval.card import write_card
from eval.result import load
from poster.checkpoint import inspect
from poster.errors import DataError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("weights", metavar="WEIGHTS", help="the checkpoint; recipe.json, log.csv and notes.txt of its training lie in the same folder")
    parser.add_argument("results", nargs="+", metavar="RESULT.json", help="results of `eval score` for it, the headline first")


def run(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    weights, results = Path(options.weights), [Path(path) for path in options.results]
    sha256 = inspect(weights).contents.sha256
    for path in results:
        if load(path).weights_sha256 != sha256:
            raise DataError(f"{path.name} was not made with {weights.name}; score these weights again")
    for name in ("recipe.json", "log.csv", "notes.txt"):
        if not (weights.parent / name).is_file():
            raise DataError(f"{name} of the training run is not beside {weights.name}; copy it there")
    out = weights.parent / "README.md"
    out.write_text(write_card(results, weights.parent, weights, inspect(weights).identity.parameters_used))
    return {"card": str(out)}, f"The card is in {out}."
