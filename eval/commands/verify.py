"""``python -m eval verify WEIGHTS PAIRS.bin ...``: a recognition backbone on InsightFace's pair sets."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from eval import terminal
from eval.commands.options import add_compute


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("weights", metavar="WEIGHTS", help="checkpoint file")
    parser.add_argument("pairs", metavar="PAIRS.bin", nargs="+", help="lfw.bin, cfp_fp.bin, agedb_30.bin, calfw.bin, cplfw.bin")
    add_compute(parser)


def run(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    import poster
    from eval.embed import verify_file
    from eval.inference import Compute
    from poster.digest import file_sha256

    compute = Compute(options.device, options.dtype, options.batch_size, options.runtime)
    sha256 = file_sha256(Path(options.weights))
    model = poster.load_model(options.weights)
    with terminal.ProgressBar(sys.stderr) as bar:
        scores = {Path(name).stem: verify_file(model, model.contract, Path(name), compute, bar) for name in options.pairs}
    return {"weights_sha256": sha256, "sets": {name: asdict(value) for name, value in scores.items()}}, terminal.verification(scores)
