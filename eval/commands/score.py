"""``python -m eval score WEIGHTS --benchmark NAME [--protocol P] --data DIR [--json] [--out RESULT.json]``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from eval import terminal
from eval.analyses import ANALYSES, analyse, chosen_analyses
from eval.catalogue import find
from eval.commands.options import add_compute, add_data
from eval.result import check_output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("weights", metavar="WEIGHTS", help="checkpoint file")
    add_data(parser)
    add_compute(parser)
    parser.add_argument("--out", metavar="RESULT.json", help="result file; the predictions go beside it (default: runs/BENCHMARK-PROTOCOL-SHA256.json)")
    parser.add_argument("--no-probe", action="store_true", help="do not try other channel orders and normalisations")
    parser.add_argument("--analyses", metavar="LIST", default="", help=f"more measurements, of {', '.join(ANALYSES)}, or all; with commas between")
    parser.add_argument("--sample", type=int, default=500, metavar="N", help="images the analyses use (0: all)")
    parser.add_argument("--training", metavar="DIR", help="for copies: folder with the training part (default: --data)")
    parser.add_argument("--report", metavar="OUT.html", help="also write a self-contained page")
    parser.add_argument("--pictures", action="store_true", help="show the worst mistakes in the report (most data sets forbid passing them on)")


def run(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from eval.inference import Compute
    from eval.run import evaluate
    from poster.digest import file_sha256
    from poster.memory import keep_freed

    keep_freed()
    benchmark = find(options.benchmark, options.protocol)
    analyses = chosen_analyses(options.analyses, options.sample)
    weights = Path(options.weights)
    out = Path(options.out) if options.out else Path("runs") / f"{benchmark.name}-{benchmark.protocol}-{file_sha256(weights)[:12]}.json"
    check_output(out, ".json")
    if options.report:
        check_output(Path(options.report), ".html")
    with terminal.ProgressBar(sys.stderr) as bar:
        finished = evaluate(
            weights, benchmark, options.data, out, Compute(options.device, options.dtype, options.batch_size, options.runtime),
            allow_doubled=options.allow_doubled, revision=options.revision, probe=not options.no_probe, progress=bar,
        )  # fmt: skip
        finished = analyse(finished, analyses, options.sample, options.training or options.data, out, bar)
    if options.report:
        from eval.report import write_report

        write_report(finished.result, finished.predictions, finished.sheet, Path(options.report), finished.images.source if options.pictures else None)
    answer = finished.result.to_json(finished.sheet, str(out.with_suffix(".parquet")))
    return {**answer, "result": str(out)}, terminal.result(finished.result, finished.sheet, out)
