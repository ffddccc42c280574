"""Latency, throughput, parameters and FLOPs of a model on a stated device and batch."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from eval.inference import WORTH_COMPILING, Compute, placed
from poster.runtime import Run

ROUNDS = 9
BATCHES = (1, 32)


def measure(model: nn.Module, compute: Compute, progress: Callable[[int, int], None] | None = None) -> dict[str, Any]:
    """Forward passes of ``model`` (with ``.contract``) on made-up pixels, in the runtime and precision of ``compute``.

    "flops" counts two operations a multiply-add and "macs" one, of the network as it is written: papers quote both as FLOPs. Times are medians
    with the fastest and slowest of ROUNDS after one warm-up, in seconds a batch.
    """
    device = torch.device(compute.device)
    compute = compute.settled(WORTH_COMPILING)
    side = model.contract.input_size
    flops = count_flops(model, side)
    timings = {}
    call = placed(model, compute)
    for done, batch in enumerate(BATCHES):
        images = torch.randn(batch, 3, side, side, device=device)
        seconds = [once(call, images) for _ in range(ROUNDS + 1)][1:]
        median = statistics.median(seconds)
        timings[str(batch)] = {"median_s": median, "min_s": min(seconds), "max_s": max(seconds), "images_per_second": batch / median}
        if progress:
            progress(done + 1, len(BATCHES))
    return {
        "architecture": model.contract.architecture,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "flops": flops,
        "macs": flops // 2,
        "batches": timings,
        "device": compute.device,
        "dtype": compute.dtype,
        "runtime": compute.runtime,
        "threads": torch.get_num_threads(),
        "software": compute.environment(),
    }


def count_flops(model: nn.Module, side: int) -> int:
    """Operations of one image (1, 3, side, side), two a multiply-add; matrix products, convolutions and attention are counted."""
    place = next(model.parameters()).device
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        model(torch.zeros(1, 3, side, side, device=place))
    return counter.get_total_flops()


def once(call: Run, images: torch.Tensor) -> float:
    """Seconds of one batch, on a GPU until it is done."""
    start = time.perf_counter()
    call(images)
    if images.is_cuda:
        torch.cuda.synchronize(images.device)
    return time.perf_counter() - start
