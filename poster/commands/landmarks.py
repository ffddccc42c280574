"""``python -m poster landmarks --data DIR --teacher FILE --out FILE``: the network behind poster/landmarks.py, from FERPlus and POSTER's landmark network."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="the folder of fer2013.csv and fer2013new.csv")
    parser.add_argument("--teacher", type=Path, required=True, metavar="FILE", help="POSTER's MobileFaceNet with 136 outputs")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the .safetensors file to write")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (default: all)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a value of the nano recipe, e.g. --set landmark_epochs=3")


def run(arguments: argparse.Namespace) -> tuple[dict[str, Any], str]:
    import logging

    import torch

    from poster.training.landmarks import teach
    from poster.training.recipes import RECIPES

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    recipe = RECIPES["posterpp_nano"].override(arguments.set)
    result = teach(recipe, arguments.data, arguments.teacher, arguments.out)
    held_out = result["held_out"]
    error = f"{100 * held_out['mean_distance']:.2f} % of the side from the teacher's points"
    return result, f"{result['file']}: {error} on {held_out['pictures']} pictures of {held_out['split']}"
