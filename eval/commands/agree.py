"""``python -m eval agree WEIGHTS --benchmark NAME --data DIR [--out OUT.json]``: does every runtime say what the network as written says?"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from eval import terminal
from eval.catalogue import find
from eval.commands.options import add_data
from eval.result import check_output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("weights", metavar="WEIGHTS", help="checkpoint file")
    add_data(parser)
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1 ...")
    parser.add_argument("--out", type=Path, metavar="OUT.json", help="also write the answer to this file")


def run(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    import poster
    from eval.agree import measure, table
    from eval.inference import Compute
    from eval.load import load
    from eval.mapping import LabelMap
    from eval.run import decode_images
    from poster.digest import file_sha256

    Compute(options.device)  # refuses a device that is not here before any work
    if options.out is not None:
        check_output(options.out, ".json")
    benchmark = find(options.benchmark, options.protocol)
    model = poster.load_model(options.weights)
    data = load(benchmark, options.data, allow_doubled=options.allow_doubled, revision=options.revision)
    with terminal.ProgressBar(sys.stderr) as bar:
        images, pixels = decode_images(data, model.contract, bar)
        classes, labels = LabelMap.of(model.contract.labels, images.labels), np.asarray(images.targets)
        found = list(measure(model, model.contract, classes, pixels, labels, options.device, lambda done, total: bar("runtimes", done, total)))
    rows = [row.to_json() for row in found]
    answer = {"model": model.contract.architecture, "weights_sha256": file_sha256(Path(options.weights)), "benchmark": benchmark.name, "runtimes": rows}
    if options.out is not None:
        options.out.write_text(json.dumps(answer, indent=1) + "\n")
    return answer, table(rows)
