"""``python -m poster ablate --data DIR --out DIR``: the same streams under each head, or each depth of fusion, every answer kept picture by picture."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from poster.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="the folder of fer2013.csv and fer2013new.csv")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where one record a run goes, and checkpoints while they last")
    parser.add_argument("--arms", metavar="A,B", help="heads and fusions by name (default: all; any other word lists them)")
    parser.add_argument("--seeds", default="1,2,3", metavar="1,2,3", help="one run of every arm each")
    parser.add_argument("--streams", default="", metavar="WEIGHTS", help="hold the streams of this trained model; only a narrower fusion and the head learn")
    parser.add_argument("--sample", type=int, default=1000, metavar="N", help="validation pictures the curves are drawn from; 0: all")
    parser.add_argument("--minutes", type=float, default=0, metavar="M", help="choose the steps of an epoch so that everything takes about that long here")
    parser.add_argument("--resume", action="store_true", help="go on after the last finished epoch; more arms and seeds may join")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (default: all)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a value of every arm's recipe, e.g. --set epochs=4")


def run(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    import logging

    import torch

    from poster.training.ablation import ablate, test_part
    from poster.training.arms import ARMS, BASE, COMPARED, NARROW, Plan
    from poster.training.data import load

    if any(text.startswith(COMPARED) for text in options.set):
        raise InputError("heads and seeds are what the ablation compares; choose them with --arms and --seeds")
    try:
        seeds = tuple(int(text) for text in options.seeds.split(","))
    except ValueError as error:
        raise InputError(f"--seeds {options.seeds} is not a list of whole numbers such as 1,2,3") from error
    held = ["auxiliary=0"] if options.streams else []
    base = BASE.override([*held, *options.set])
    arms = tuple(options.arms.split(",")) if options.arms else tuple(ARMS)
    plan = Plan(base, arms, seeds, options.streams, options.sample, NARROW if options.streams else {})
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if options.threads:
        torch.set_num_threads(options.threads)
    records = ablate(plan, load(base, options.data), lambda: test_part(options.data), options.out, options.resume, options.minutes)
    return {"records": [str(path) for path in records]}, f"{len(records)} runs in {options.out}; the table: python -m eval ablation {options.out}"
