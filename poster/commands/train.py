"""``python -m poster train RECIPE --data DIR --out DIR``: from the data on disk to a safetensors file with its contract."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


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
    import logging

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
    recipe = RECIPES[arguments.recipe].override(arguments.set)
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
