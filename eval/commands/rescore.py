"""``python -m eval rescore RESULT.json``: every score again from the stored predictions, without the model."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from eval import terminal
from eval.result import load, load_predictions
from eval.scores import score


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("result", metavar="RESULT.json", help="a result of `eval score`, its predictions beside it")


def run(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    path = Path(options.result)
    result = load(path)
    sheet = score(load_predictions(result, path))
    return result.to_json(sheet, str(path.parent / result.predictions_file)), terminal.result(result, sheet, path)
