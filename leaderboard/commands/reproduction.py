"""``python -m leaderboard reproduction [--out FILE]``: published numbers beside ours, and the line that would repeat each in full (Markdown)."""

from __future__ import annotations

import argparse
from typing import Any

from leaderboard.board import RESULTS_FOLDER
from leaderboard.claims import load_claims
from leaderboard.commands.common import opened, written
from leaderboard.record import read_folder
from leaderboard.reproduction import as_markdown, reproductions
from leaderboard.status import stored_records

HEAD = """# Published numbers, and what repeats them

Every published number of a network that this project can train. *Measured* counts models trained by the recipe in the same line and scored by
`python -m eval score` on the same benchmark. *Not run* means that nobody here had the data set and the graphics card the recipe asks for: these are
200 to 300 epochs of a 52 to 72 million parameter network at 224 x 224, twice over for SAM. `DIR` is the data set's folder as its owners hand it out;
`mobilefacenet.pth` and `ir50.pth` are the pretrained streams of the official repositories. On a small machine the same line takes
`--set epochs=1 --set steps=20 --set batch_size=8` to see that it runs. Written by `python -m leaderboard reproduction --out docs/reproduction.md`.

"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", metavar="FILE", help="write it there")


def run(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from poster.training.recipes import RECIPES

    with opened() as (store, _):
        records = [*read_folder(RESULTS_FOLDER), *stored_records(store)]
    entries = reproductions(load_claims(), RECIPES.values(), records)
    text = HEAD + as_markdown(entries)
    rows = [
        {"model": e.claim.model, "benchmark": e.claim.benchmark, "claimed": e.claim.accuracy, "measured": e.measured, "command": e.command} for e in entries
    ]
    if options.out:
        written(options.out, text.encode())
        return {"file": options.out, "rows": len(rows)}, f"Written to {options.out}."
    return {"rows": rows}, text.rstrip("\n")
