"""``python -m poster train RECIPE --data DIR --out DIR``: from the data on disk to a safetensors file with its contract."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from poster.training.recipe import RECIPES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", metavar="RECIPE", help=f"one of {', '.join(RECIPES)}")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="the folder with fer2013.csv and fer2013new.csv")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where checkpoints, log and the finished model go")
    parser.add_argument("--teacher", type=Path, metavar="FILE", help="POSTER's MobileFaceNet with 136 outputs, which teaches the landmark stream")
    parser.add_argument("--resume", action="store_true", help="go on after the last finished epoch")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (default: all)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a value of the recipe, e.g. --set epochs=30")


def run(arguments: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from poster.training.session import train

    result = train(arguments)
    scores = result["validation"]
    return result, f"{result['file']}: accuracy {scores['accuracy']:.4f}, mean class accuracy {scores['mean_class_accuracy']:.4f} on the validation split"
