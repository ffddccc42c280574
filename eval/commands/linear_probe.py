"""``python -m eval linear-probe WEIGHTS --benchmark NAME --data DIR``: a linear classifier on the training part's embeddings."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from eval import terminal
from eval.catalogue import find
from eval.commands.options import add_compute, add_data
from eval.result import check_output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("weights", metavar="WEIGHTS", help="checkpoint file")
    add_data(parser)
    add_compute(parser)
    parser.add_argument("--out", metavar="RESULT.json", help="result file (default: runs/BENCHMARK-PROTOCOL-linear-probe-SHA256.json)")


def run(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from eval.embed import probe_linearly
    from eval.inference import Compute
    from poster.digest import file_sha256

    benchmark = find(options.benchmark, options.protocol)
    weights = Path(options.weights)
    name = f"{benchmark.name}-{benchmark.protocol}-linear-probe-{file_sha256(weights)[:12]}.json"
    out = Path(options.out) if options.out else Path("runs") / name
    check_output(out, ".json")
    compute = Compute(options.device, options.dtype, options.batch_size, options.runtime)
    with terminal.ProgressBar(sys.stderr) as bar:
        result, sheet = probe_linearly(weights, benchmark, options.data, out, compute, options.allow_doubled, bar)
    return {**result.to_json(sheet, str(out.with_suffix(".parquet"))), "result": str(out)}, terminal.result(result, sheet, out)
