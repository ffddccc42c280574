"""``python -m eval report RESULT.json OUT.html``: one self-contained page from a stored result."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from eval.report import write_report
from eval.result import check_output, load, load_predictions
from eval.scores import score


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("result", metavar="RESULT.json", help="a result of `eval score`, its predictions beside it")
    parser.add_argument("out", metavar="OUT.html", help="the page to write")


def run(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    path, out = Path(options.result), Path(options.out)
    check_output(out, ".html")
    result = load(path)
    predictions = load_predictions(result, path)
    write_report(result, predictions, score(predictions), out)
    return {"report": str(out)}, f"The report is in {out}."
