"""What each command of ``python -m eval`` does: options in, a dict for --json out, text printed otherwise."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from eval import terminal
from eval.availability import survey
from eval.catalogue import find
from eval.compare import compare_files
from eval.result import load, load_predictions
from eval.scores import score as score_predictions


def benchmarks(options: argparse.Namespace) -> dict[str, Any] | None:
    """List the catalogue with what lies in --data."""
    rows = survey(Path(options.data) if options.data else None)
    if options.json:
        return {"benchmarks": rows}
    terminal.print_benchmarks(rows)
    return None


def score(options: argparse.Namespace) -> dict[str, Any] | None:
    """Score a checkpoint; prints the result as a table, or as JSON."""
    from eval.inference import Compute  # torch: only the commands that run a model wait for it
    from eval.run import evaluate, file_sha256

    benchmark = find(options.benchmark, options.protocol)
    weights = Path(options.weights)
    out = Path(options.out) if options.out else Path("runs") / f"{benchmark.name}-{benchmark.protocol}-{file_sha256(weights)[:12]}.json"
    with terminal.ProgressBar(sys.stderr) as bar:
        run = evaluate(
            weights, benchmark, options.data, out, Compute(options.device, options.dtype, options.batch_size),
            allow_doubled=options.allow_doubled, revision=options.revision, probe=not options.no_probe, progress=bar,
        )  # fmt: skip
    if options.json:
        return run.result.to_json(run.sheet, str(out.with_suffix(".parquet")))
    terminal.print_result(run.result, run.sheet, out)
    return None


def compare(options: argparse.Namespace) -> dict[str, Any] | None:
    """Compare two results on the same images."""
    comparison = compare_files(Path(options.a), Path(options.b))
    if options.json:
        return comparison.to_json()
    terminal.print_comparison(comparison)
    return None


def rescore(options: argparse.Namespace) -> dict[str, Any] | None:
    """Compute every score again from the predictions, without the model."""
    path = Path(options.result)
    result = load(path)
    sheet = score_predictions(load_predictions(result, path))
    if options.json:
        return result.to_json(sheet, str(path.parent / result.predictions_file))
    terminal.print_result(result, sheet, path)
    return None
