"""``python -m eval compare A.json B.json``: disagreements, paired test, verdict in a sentence."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from eval import terminal
from eval.compare import compare_files


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("a", metavar="A.json", help="a result of `eval score`, its predictions beside it")
    parser.add_argument("b", metavar="B.json", help="another one of the same benchmark and protocol")


def run(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    comparison = compare_files(Path(options.a), Path(options.b))
    return comparison.to_json(), terminal.comparison(comparison)
