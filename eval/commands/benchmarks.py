"""``python -m eval benchmarks [--data DIR] [--json]``: which exist, which are here, how to get the others."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from eval import terminal
from eval.availability import survey


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", metavar="DIR", help="folder with the data sets, or one of them")


def run(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    rows = survey(Path(options.data) if options.data else None)
    return {"benchmarks": rows}, terminal.benchmarks(rows)
