"""``python -m eval rank RESULT.json ...``: several results of one test set, ranks and tie groups."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from eval import terminal
from eval.compare import rank_files


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("results", metavar="RESULT.json", nargs="+", help="results of `eval score`, their predictions beside them")


def run(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    rows = rank_files([Path(name) for name in options.results])
    return {"rows": [asdict(row) for row in rows]}, terminal.ranking(rows)
