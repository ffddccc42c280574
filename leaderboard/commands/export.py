"""``python -m leaderboard export [--format csv|json|parquet|latex|markdown] [--benchmark NAME] [--out FILE]``, or ``--eval-results DIR``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from leaderboard.commands.common import opened, written
from leaderboard.export import FORMATS, eval_results, export
from leaderboard.kept import current_board
from leaderboard.status import stored_records
from poster.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", choices=FORMATS, default="csv")
    parser.add_argument("--benchmark", metavar="NAME", help="only this one")
    parser.add_argument("--out", metavar="FILE", help="write it there (needed for parquet)")
    parser.add_argument("--eval-results", metavar="DIR", help="instead: one .eval_results/*.yaml file a result, for the models' own Hugging Face repositories")


def run(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    with opened() as (store, config):
        records, board = stored_records(store), current_board(store, config)
    if options.eval_results:
        try:
            files = eval_results(records, config.results_repo, Path(options.eval_results))
        except OSError as error:
            raise InputError(f"{options.eval_results} cannot be written ({error.strerror}); name a folder that can.") from error
        return {"files": [str(path) for path in files]}, "\n".join(map(str, files)) or "No results to write."
    if options.benchmark and options.benchmark not in board.benchmarks:
        raise InputError(f"The leaderboard has no {options.benchmark[:40]!r}; it has {', '.join(board.benchmarks)}.")
    content = export(board, options.format, options.benchmark)
    if options.out:
        written(options.out, content)
        return {"file": options.out, "rows": len(board.rows)}, f"Written to {options.out}."
    if options.format == "parquet":
        raise InputError("Parquet is not text; name a file with --out FILE.parquet.")
    rows = json.loads(export(board, "json", options.benchmark))
    return {"rows": rows}, content.decode().rstrip("\n")
