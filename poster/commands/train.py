"""``python -m poster train RECIPE --data DIR --out DIR``: from the data on disk to a safetensors file with its contract."""

from __future__ import annotations

import argparse
import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from poster.training.recipe import Recipe

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", metavar="RECIPE", help="the recipe's name; any other word lists them all")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="the data set's folder, e.g. that of fer2013.csv and fer2013new.csv")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where checkpoints, log and the finished model go")
    parser.add_argument("--teacher", type=Path, metavar="FILE", help="POSTER's MobileFaceNet with 136 outputs: the landmark stream, or its teacher")
    parser.add_argument(
        "--backbone", type=Path, metavar="FILE", help="the official repositories' ir50.pth, for the full-size models; a tutor's face recognition network"
    )
    parser.add_argument(
        "--start",
        action="append",
        default=[],
        metavar="WEIGHTS",
        help="go on from a trained model of the same architecture, with its streams: a shipped model's name or a file; of several the mean of their weights",
    )
    parser.add_argument(
        "--tutor", type=Path, action="append", default=[], metavar="FILE", help="a trained model whose answers are learned too; several: their mean"
    )
    parser.add_argument("--resume", action="store_true", help="go on after the last finished epoch")
    parser.add_argument(
        "--live", action="store_true", help="also write OUT/live, which `tensorboard --logdir OUT` draws while the run lasts (needs tensorboardX)"
    )
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (default: all)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a value of the recipe, e.g. --set epochs=30")


def run(arguments: argparse.Namespace) -> tuple[dict[str, Any], str]:
    import torch

    from poster.errors import InputError
    from poster.memory import keep_freed
    from poster.training.recipes import RECIPES
    from poster.training.session import train

    if arguments.recipe not in RECIPES:
        raise InputError(f"{arguments.recipe!r} is not a recipe; known are {', '.join(RECIPES)}")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    keep_freed()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    recipe = as_fast(RECIPES[arguments.recipe].override(arguments.set), arguments.set, "cuda" if torch.cuda.is_available() else "cpu")
    result = train(
        recipe,
        arguments.data,
        arguments.out,
        arguments.resume,
        arguments.teacher,
        arguments.backbone,
        arguments.start,
        arguments.live,
        arguments.tutor,
    )
    scores = result["validation"]
    return result, f"{result['file']}: accuracy {scores['accuracy']:.4f}, mean class accuracy {scores['mean_class_accuracy']:.4f} on {result['split']}"


def as_fast(recipe: Recipe, assignments: list[str], device: str) -> Recipe:
    """The recipe, but in float32 on a device that would only imitate bfloat16, which takes longer; an assignment to ``bf16`` is kept."""
    from poster import bf16

    if not recipe.bf16 or bf16.native(device) or any(text.startswith("bf16=") for text in assignments):
        return recipe
    log.info("float32 instead of bfloat16, for which this machine has no instruction (--set bf16=true keeps the recipe's)")
    return replace(recipe, bf16=False)
