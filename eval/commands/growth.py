"""``python -m eval growth [--out docs/growth-evaluation.svg] [--most N] [--json]``: an evaluation from 1,000 to 1,000,000 images."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from eval import terminal
from eval.growth import COUNTS, drawing, measure, slope
from eval.result import check_output
from poster.data.memo import write_atomically
from poster.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", metavar="OUT.svg", default="docs/growth-evaluation.svg", help="the drawing")
    parser.add_argument("--most", type=int, default=COUNTS[-1], metavar="N", help="the largest number of images")


def run(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    counts = [count for count in COUNTS if count <= options.most]
    if len(counts) < 4:
        raise InputError(f"--most {options.most} leaves too few points; give at least {COUNTS[3]}")
    check_output(Path(options.out), ".svg")
    points = []
    with terminal.ProgressBar(sys.stderr) as bar:
        for number, count in enumerate(counts):
            points.append(measure(count))
            bar("growth", number + 1, len(counts))
    write_atomically(Path(options.out), drawing(points).encode())
    lines = [f"{'images':>10}{'seconds':>10}{'MiB':>8}", *(f"{point.images:>10,}{point.seconds:>10.2f}{point.mebibytes:>8.1f}" for point in points)]
    exponent = slope(points)
    lines.append(f"seconds grow with the images to the power {exponent:.2f}; drawn in {options.out}")
    rows = [{"images": point.images, "seconds": round(point.seconds, 3), "mebibytes": round(point.mebibytes, 1)} for point in points]
    return {"points": rows, "exponent": round(exponent, 3), "drawing": options.out}, "\n".join(lines)
