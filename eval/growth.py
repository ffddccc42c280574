"""How an evaluation grows with its number of images: seconds and memory from 1,000 to 1,000,000, over a cache of made-up pixels."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap

COUNTS = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
SIDE, BATCH = 32, 256
WIDTH, HEIGHT, LEFT, TOP = 330, 200, 56, 28


@dataclass(frozen=True)
class Point:
    """seconds: of the processor, for inference, chunks on the disk and all scores with intervals. mebibytes: the most memory that is the
    process's own, above what it had before."""

    images: int
    seconds: float
    mebibytes: float


def measure(count: int) -> Point:
    """One evaluation of ``count`` grey images of 32 x 32 by a tiny network: what grows with the images is ours alone, not the network's.

    In a process of its own, since memory is counted at its highest (Linux).
    """
    said = subprocess.run([sys.executable, "-m", "eval.growth", str(count)], capture_output=True, text=True, check=True, cwd=Path(__file__).parent.parent)
    seconds, mebibytes = map(float, said.stdout.split())
    return Point(count, seconds, mebibytes)


def _own_memory() -> float:
    """MiB of this process that no file backs: pages of the mapped cache are the system's to drop and do not count."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) / 1024


def _child(count: int) -> None:
    import threading

    import torch
    from torch import nn

    from eval.chunks import ChunkStore
    from eval.inference import Compute, infer
    from eval.predictions import Predictions
    from eval.probability import softmax
    from eval.scores import score
    from poster.contract import ModelContract
    from poster.labels import ORDERS

    torch.manual_seed(0)
    labels = ORDERS["raf-db"]
    contract = ModelContract("posterpp_nano", labels, input_size=SIDE)
    model = nn.Sequential(nn.AvgPool2d(8), nn.Flatten(), nn.Linear(3 * (SIDE // 8) ** 2, len(labels))).eval()
    highest, done = [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.01):
            highest[0] = max(highest[0], _own_memory())

    with tempfile.TemporaryDirectory() as folder:
        pixels = open_memmap(Path(folder) / "pixels.npy", mode="w+", dtype=np.uint8, shape=(count, SIDE, SIDE))  # a hole: no disk is used
        names = tuple(f"{index:07d}" for index in range(count))
        targets = np.random.default_rng(0).integers(0, len(labels), count)
        compute = Compute(batch_size=BATCH)
        infer(model, pixels[:BATCH], contract, compute, names[:BATCH])
        before = _own_memory()
        watcher = threading.Thread(target=watch)
        watcher.start()
        start = time.process_time()
        outputs = infer(model, pixels, contract, compute, names, ChunkStore(Path(folder) / "partial", {"count": count}))
        score(Predictions(labels, names, targets, softmax(outputs.logits)))
        seconds = time.process_time() - start
        done.set()
        watcher.join()
    print(seconds, max(0.0, highest[0] - before))  # noqa: T201  read by measure()


def slope(points: list[Point]) -> float:
    """The exponent of the seconds against the images from 10,000 on (below it fixed costs rule): 1 is linear."""
    large = [point for point in points if point.images >= 10_000]
    return float(np.polyfit(np.log([p.images for p in large]), np.log([p.seconds for p in large]), 1)[0])


def drawing(points: list[Point]) -> str:
    """An SVG picture: seconds and memory against the images, all axes logarithmic."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * (WIDTH + LEFT) + 40} {HEIGHT + 64}" font-family="sans-serif" font-size="11" role="img">',
        '<title>Time and memory of an evaluation against its number of images</title><rect width="100%" height="100%" fill="#ffffff"/>',
    ]
    x = np.log10([point.images for point in points])
    panels = (("processor seconds", [point.seconds for point in points], "#0072b2"), ("own memory, MiB", [point.mebibytes for point in points], "#d55e00"))
    for panel, (title, values, colour) in enumerate(panels):
        x0 = LEFT + panel * (WIDTH + LEFT + 10)
        logs = np.log10(np.maximum(values, 0.01))
        low, high = np.floor(logs.min()), np.ceil(logs.max() + 1e-9)
        across = x0 + WIDTH * (x - x[0]) / (x[-1] - x[0])
        up = TOP + HEIGHT * (1 - (logs - low) / (high - low))
        parts.append(f'<text x="{x0}" y="18" font-size="13" fill="#222222">{title}</text>')
        for power in np.arange(low, high + 1):
            y = TOP + HEIGHT * (1 - (power - low) / (high - low))
            parts.append(f'<line x1="{x0}" x2="{x0 + WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="#dddddd"/>')
            parts.append(f'<text x="{x0 - 6}" y="{y + 4:.1f}" text-anchor="end" fill="#555555">{10**power:g}</text>')
        parts.append(f'<polyline points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in zip(across, up, strict=True))}" fill="none" stroke="{colour}"/>')
        for a, b, value, point in zip(across, up, values, points, strict=True):
            parts.append(f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"><title>{point.images:,} images: {value:.3g} {title}</title></circle>')
            parts.append(f'<text x="{a:.1f}" y="{TOP + HEIGHT + 16}" text-anchor="middle" fill="#555555">{_short(point.images)}</text>')
        parts.append(f'<text x="{x0 + WIDTH}" y="{TOP + HEIGHT + 32}" text-anchor="end" fill="#555555">images</text>')
    return "\n".join([*parts, "</svg>", ""])


def _short(count: int) -> str:
    return f"{count // 1_000_000} M" if count >= 1_000_000 else f"{count // 1_000} k"


if __name__ == "__main__":
    _child(int(sys.argv[1]))
