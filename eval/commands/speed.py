"""``python -m eval speed WEIGHTS [WEIGHTS ...] [--device cpu|cuda] [--runtime R] [--dtype D] [--json]``: what models cost, in one run."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from eval import terminal
from eval.commands.options import add_compute


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("weights", nargs="+", metavar="WEIGHTS", help="checkpoint files; compare only figures of one run")
    add_compute(parser, batch_size=False)


def run(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from eval.inference import Compute
    from eval.speed import BATCHES, measure
    from poster.checkpoint import load_model

    compute = Compute(options.device, options.dtype, runtime=options.runtime)
    answers = []
    with terminal.ProgressBar(sys.stderr) as bar:
        for weights in options.weights:
            answers.append(measure(load_model(weights), compute, lambda done, total: bar("timing", done, total)))
    lines = [f"{'model':<24}{'M param.':>9}{'GFLOPs':>8}{'GMACs':>8}" + "".join(f"{f'images/s at {batch}':>16}" for batch in BATCHES)]
    for answer in answers:
        rates = "".join(f"{answer['batches'][str(batch)]['images_per_second']:>16.1f}" for batch in BATCHES)
        lines.append(f"{answer['architecture']:<24}{answer['parameters'] / 1e6:>9.2f}{answer['flops'] / 1e9:>8.2f}{answer['macs'] / 1e9:>8.2f}{rates}")
    lines.append("GFLOPs: two operations a multiply-add, GMACs: one; papers print either as FLOPs, so compare only what was counted alike")
    lines.append(f"{answers[0]['dtype']} in the runtime {answers[0]['runtime']} on {compute.device}, {answers[0]['threads']} threads; medians")
    return answers[0] if len(answers) == 1 else {"models": answers}, "\n".join(lines)
