"""``python -m eval heatmaps WEIGHTS --benchmark NAME --data DIR``: what a model's heatmaps are worth, against maps that know nothing."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from eval import terminal
from eval.catalogue import find
from eval.commands.options import add_compute, add_data
from eval.heatmaps import STEPS
from eval.result import check_output
from poster.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("weights", metavar="WEIGHTS", help="checkpoint file")
    add_data(parser)
    add_compute(parser)
    parser.add_argument("--part", choices=("test", "validation"), default="test", help="validation: FERPlus's PublicTest, to choose on")
    parser.add_argument("--limit", type=int, default=150, metavar="N", help="images, drawn by the seed (default: 150; 0: all)")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"points of a deletion curve after its first (default: {STEPS})")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--checked", type=int, default=24, metavar="N", help="images of the parameter-randomisation check (default: 24)")
    parser.add_argument("--landmarks", metavar="FILE", help="POSTER's landmark network (68 points), for the mass inside the face's parts")
    parser.add_argument("--out", metavar="OUT.json", help="also write the answer to this file")
    parser.add_argument("--into", metavar="RESULT.json", help="put the measures into this result of `eval score` of the same weights")


def run(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    import poster
    from eval.heatmaps_page import summary
    from eval.heatmaps_run import measure
    from eval.inference import Compute
    from eval.load import load
    from eval.run import decode_images
    from poster.attention import sources
    from poster.digest import file_sha256

    _check(options)
    weights, benchmark = Path(options.weights), find(options.benchmark, options.protocol)
    compute = Compute(options.device, options.dtype, options.batch_size, options.runtime)
    sha256 = file_sha256(weights)
    stored = None if options.into is None else _result(Path(options.into), sha256)
    model = poster.load_model(weights)
    sources(model)  # refuses a recognition backbone before any work
    data = load(benchmark, options.data, options.part, options.allow_doubled, options.revision)
    with terminal.ProgressBar(sys.stderr) as bar:
        images, pixels = decode_images(data, model.contract, bar)
        order = np.random.default_rng(options.seed).permutation(len(images))
        chosen = np.sort(order[: options.limit or len(images)])
        taken = np.array(pixels[chosen])
        parts, origin = None, "none (--landmarks was not given)"
        if options.landmarks:
            from eval.heatmaps_parts import part_masks
            from poster.training.landmarks import load_teacher, teacher_points

            grey = taken if taken.ndim == 3 else (taken @ np.array([0.299, 0.587, 0.114])).round().astype(np.uint8)
            parts = part_masks(teacher_points(load_teacher(Path(options.landmarks)), grey).numpy(), taken.shape[1])
            origin = "68 points of the MobileFaceNet of POSTER, read from each picture"
        found = measure(model, taken, images.targets[chosen], compute, options.steps, options.seed, parts, options.checked, bar)
    answer = {
        "benchmark": benchmark.name, "version": benchmark.version, "protocol": benchmark.protocol, "part": options.part,
        "weights_sha256": sha256, "architecture": model.contract.architecture, "landmarks": origin, **found,
    }  # fmt: skip
    if options.out:
        Path(options.out).write_text(json.dumps(answer, indent=1, allow_nan=False) + "\n")
    if stored is not None:
        stored["analyses"] = {**(stored.get("analyses") or {}), "heatmaps": answer}
        Path(options.into).write_text(json.dumps(stored, indent=1, allow_nan=False) + "\n")
    return answer, summary(answer)


def _check(options: argparse.Namespace) -> None:
    """Raise InputError for what cannot be measured, before any work."""
    if options.limit < 0 or options.steps < 2 or options.checked < 1:
        raise InputError("--limit must be 0 (all) or more images, --steps 2 or more, --checked 1 or more")
    if options.part == "validation" and not options.benchmark.startswith("ferplus"):
        raise InputError(f"{options.benchmark} has no validation part here; only ferplus has one (PublicTest)")
    for path, suffix in ((options.out, ".json"), (options.into, ".json")):
        if path:
            check_output(Path(path), suffix)


def _result(path: Path, sha256: str) -> dict[str, Any]:
    """The result file's object. Raises InputError unless it is one of these weights."""
    from eval.result import load as load_result

    result = load_result(path)
    if result.weights_sha256 != sha256:
        raise InputError(f"{path.name} is the result of other weights ({result.weights_sha256[:12]}, not {sha256[:12]}); name that of these")
    stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return stored
