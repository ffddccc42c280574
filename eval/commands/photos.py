"""``python -m eval photos WEIGHTS --data DIR [--sample N] [--split PrivateTest] [--out docs/photos.json]``: do colour, size and crops of photos hurt?"""

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
from poster.errors import InputError

PARTS = {"PrivateTest": "test", "PublicTest": "validation"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("weights", metavar="WEIGHTS", help="checkpoint file")
    add_data(parser, default="ferplus")
    parser.add_argument("--split", choices=PARTS, default="PrivateTest", help="PublicTest: to choose on (default: PrivateTest, the test part)")
    parser.add_argument("--sample", type=int, default=500, metavar="N", help="pictures, each class in its share (default: 500; 0: all)")
    parser.add_argument("--seed", type=int, default=0, help="of the sample, and of what varies from picture to picture")
    parser.add_argument("--out", metavar="OUT.json", help="write the answer to this file, and its page (.md) beside it")


def run(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    import poster
    from eval.inference import Compute, infer
    from eval.load import load
    from eval.mapping import LabelMap
    from eval.photos_page import summary, write_page
    from eval.photos_run import measure
    from eval.predictions import Predictions
    from eval.probe import stratified
    from eval.run import decode_images, named
    from poster.digest import file_sha256
    from poster.face import detector_name

    if options.sample < 0 or options.seed < 0:
        raise InputError("--sample must be 0 (all) or more pictures, --seed 0 or more")
    if options.split != "PrivateTest" and not options.benchmark.startswith("ferplus"):
        raise InputError(f"{options.benchmark} has no PublicTest part; only ferplus has one")
    if options.out:
        check_output(Path(options.out), ".json")
    weights, benchmark = Path(options.weights), find(options.benchmark, options.protocol)
    sha256, model = file_sha256(weights), poster.load_model(weights)
    data = load(benchmark, options.data, PARTS[options.split], options.allow_doubled, options.revision)
    labels = LabelMap.of(model.contract.labels, data.images.labels)
    with terminal.ProgressBar(sys.stderr) as bar:
        images, pixels = decode_images(data, model.contract, bar)
        chosen = stratified(images.targets, options.sample or len(images), options.seed)
        seeds = np.random.default_rng(options.seed).integers(0, 2**31, len(images))[chosen].tolist()
        taken = images.take(chosen.tolist())
        logits = infer(model, pixels[chosen], model.contract, Compute(), taken.keys, progress=named("plain pictures", bar)).logits
        found = measure(model, pixels[chosen], seeds, Predictions.of(taken, labels.probabilities(logits)), progress=bar)
    answer = {
        "benchmark": benchmark.name, "version": benchmark.version, "protocol": benchmark.protocol, "split": options.split, "sample": options.sample,
        "seed": options.seed, "weights_sha256": sha256, "architecture": model.contract.architecture, "detector": detector_name(),
        "picture": model.contract.input_size, "crop": model.contract.crop, "classes": taken.counts(), **found,
    }  # fmt: skip
    if options.out:
        Path(options.out).write_text(json.dumps(answer, indent=1, allow_nan=False) + "\n")
        write_page(answer, Path(options.out).with_suffix(".md"))
    return answer, summary(answer)
