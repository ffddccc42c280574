"""``python -m leaderboard compute [--device cpu|cuda] [--batches 1,8] [--rounds N] [--out FILE]``: count and time every architecture, for the board."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaderboard.compute import COMPUTE_FILE, REFERENCE
from poster.errors import InputError

if TYPE_CHECKING:
    from torch import nn

CLASSES = 7
ALIGNED_SIDE = 112  # pixels: the crop AdaFace takes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1 ...")
    parser.add_argument("--batches", default="1,8", metavar="LIST", help="batch sizes, with commas between; the board shows the largest")
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="turns each architecture takes; medians of their ratios count")
    parser.add_argument("--out", metavar="FILE", default=str(COMPUTE_FILE), help="default: the file the board reads")


def run(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    try:
        batches = sorted({int(word) for word in options.batches.split(",")})
    except ValueError as error:
        raise InputError("The batches are not whole numbers with commas between, such as 1,8.") from error
    if not batches or batches[0] < 1 or options.rounds < 1:
        raise InputError("A batch holds at least one image, and there is at least one round.")
    from eval.inference import Compute

    found = counted(Compute(options.device), batches, options.rounds)
    Path(options.out).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    lines = [f"{'architecture':<26}{'M param.':>10}{'GFLOPs':>8}{'GMACs':>8}" + "".join(f"{f'x {REFERENCE}, {batch}':>16}" for batch in batches)]
    for name, one in found["architectures"].items():
        ratios = "".join(f"{one['speed'][str(batch)]:>16.2f}" for batch in batches)
        lines.append(f"{name:<26}{one['parameters'] / 1e6:>10.2f}{one['flops'] / 1e9:>8.2f}{one['macs'] / 1e9:>8.2f}{ratios}")
    return found, "\n".join([*lines, f"Written to {options.out}."])


def counted(compute: Any, batches: list[int], rounds: int) -> dict[str, Any]:
    """Parameters, FLOPs (FlopCounterMode: two a multiply-add) and relative speed of every architecture, random weights, float32."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    import poster

    device = torch.device(compute.device)
    models: dict[str, nn.Module] = {name: poster.create_model(name, num_classes=CLASSES).eval().to(device) for name in poster.ARCHITECTURES}
    architectures: dict[str, dict[str, Any]] = {}
    for name, model in models.items():
        with FlopCounterMode(display=False) as counter, torch.inference_mode():
            model(_pixels(model, 1, device))
        flops = counter.get_total_flops()
        architectures[name] = {"parameters": sum(one.numel() for one in model.parameters()), "flops": flops, "macs": flops // 2, "speed": {}}
    for batch in batches:
        seconds: dict[str, list[float]] = {name: [] for name in models}
        for number in range(rounds + 1):  # the first round warms up
            for name, model in models.items():
                took = _once(model, _pixels(model, batch, device))
                if number:
                    seconds[name].append(took)
        for name, times in seconds.items():
            ratios = [reference / own for reference, own in zip(seconds[REFERENCE], times, strict=True)]
            architectures[name]["speed"][str(batch)] = round(statistics.median(ratios), 3)
    named = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    return {
        "device": named, "dtype": "float32", "threads": torch.get_num_threads(), "batches": batches, "rounds": rounds, "classes": CLASSES,
        "reference": REFERENCE, "software": {"torch": torch.__version__}, "architectures": architectures,
    }  # fmt: skip


def _pixels(model: nn.Module, batch: int, device: Any) -> Any:
    """(batch, 3, S, S) made-up pixels of the size the model takes."""
    import torch

    side = getattr(model, "img_size", ALIGNED_SIDE)
    return torch.zeros(batch, 3, side, side, device=device)


def _once(model: nn.Module, images: Any) -> float:
    import torch

    start = time.perf_counter()
    with torch.inference_mode():
        model(images)
        if images.is_cuda:
            torch.cuda.synchronize(images.device)
    return time.perf_counter() - start
