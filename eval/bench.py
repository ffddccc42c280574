"""`make bench`: every runtime against the plain float32 network, in turns, as a ratio and as a share of what this machine can do."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch
from torch import nn

import poster
from eval.inference import Compute, placed
from eval.speed import count_flops, once
from poster import bf16
from poster.fastest import machine
from poster.runtime import RUNTIMES, Run, both

ROUNDS, PEAK_ROUNDS = 5, 10
BUDGET = 400.0  # seconds for the networks; what does not fit is measured in fewer rounds, at least one
PLAN = (("posterpp_nano", 1), ("posterpp_nano", 32), ("posterpp", 1), ("poster_large", 1), ("posterpp", 32), ("poster_large", 32))
SIDE = 1024  # of the matrices whose product is the peak
Say = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Row:
    """One line: what was measured, both rates in ``unit``, their ratio (the median over rounds, with the lowest and highest) and the share of the peak.

    cpu_ratio: the same from processor seconds, which other programs on the machine disturb less. share is None where no peak belongs to it.
    """

    what: str
    baseline: float
    ours: float
    ratio: float
    lowest: float
    highest: float
    share: float | None = None
    cpu_ratio: float | None = None
    unit: str = "images/s"
    rounds: int = ROUNDS

    def to_json(self) -> dict[str, Any]:
        """All fields, rounded to what the measurement can bear."""
        return {name: float(f"{value:.4g}") if isinstance(value, float) else value for name, value in asdict(self).items()}


def timed(runs: dict[str, Callable[[], object]], rounds: int, until: float) -> dict[str, list[tuple[float, float]]]:
    """(wall, processor) seconds of each, in turns after one call to warm up; no further round after the time ``until`` (monotonic)."""
    for run in runs.values():
        run()
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for number in range(rounds):
        if number and time.monotonic() > until:
            break
        for name, run in runs.items():
            wall, processor = time.perf_counter(), time.process_time()
            run()
            seconds[name].append((time.perf_counter() - wall, time.process_time() - processor))
    return seconds


def row(what: str, baseline: list[tuple[float, float]], ours: list[tuple[float, float]], images: int, flops: int, peak: float | None) -> Row:
    """One line from the seconds of ``images`` images a round; peak in operations a second."""
    ratios = [a / b for (a, _), (b, _) in zip(baseline, ours, strict=True)]
    processor = statistics.median(a / max(b, 1e-9) for (_, a), (_, b) in zip(baseline, ours, strict=True))
    slow, fast = (images / statistics.median(wall for wall, _ in one) for one in (baseline, ours))
    share = None if peak is None else fast * flops / peak
    return Row(what, slow, fast, statistics.median(ratios), min(ratios), max(ratios), share, processor, rounds=len(ratios))


def peaks() -> dict[str, float]:
    """Operations a second of the best matrix product or 3x3 convolution, by precision: the ceiling of the last column."""
    found = {}
    for dtype in (torch.float32, torch.bfloat16):
        a, b = torch.randn(2, SIDE, SIDE).to(dtype)
        maps = torch.randn(4, 128, 56, 56).to(dtype).to(memory_format=torch.channels_last)
        conv = nn.Conv2d(128, 128, 3, padding=1, bias=False).to(dtype).to(memory_format=torch.channels_last)
        with torch.inference_mode():
            seconds = timed({"product": partial(torch.mm, a, b), "convolution": partial(conv, maps)}, PEAK_ROUNDS, float("inf"))
        work = {"product": 2 * SIDE**3, "convolution": 2 * 4 * 128 * 128 * 9 * 56 * 56}
        found[str(dtype).removeprefix("torch.")] = max(work[name] / min(wall for wall, _ in walls) for name, walls in seconds.items())
    return found


def contenders() -> list[Compute]:
    """Every runtime of this CPU in its own precisions; what eager offers by autocast, bf16 does with less work."""
    names = [name for name in RUNTIMES if name != "cuda"]
    return [Compute(runtime=name, dtype=dtype) for name in names for dtype in RUNTIMES[name] if name != "eager" or dtype == "float32"]


def networks(say: Say, plan: tuple[tuple[str, int], ...] = PLAN, budget: float = BUDGET, rounds: int = ROUNDS) -> Iterator[Row]:
    """Each network and batch: every runtime against the same weights as written, float32, eager, made-up pixels."""
    ceiling, start = peaks(), time.monotonic()
    for number, (name, batch) in enumerate(plan):
        say(f"{name}, batch {batch}", number, len(plan))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = poster.create_model(name).eval()
            images = torch.randn(batch, 3, model.img_size, model.img_size)
        calls: dict[str, Run] = {"plain": partial(_plain, model)}
        calls |= {f"{one.runtime} {one.dtype}": placed(model, one) for one in contenders()}
        until = start + budget * (number + 1) / len(plan)
        seconds = timed({key: partial(once, call, images) for key, call in calls.items()}, rounds, until)
        flops = count_flops(model, model.img_size)
        for one in contenders():
            key = f"{one.runtime} {one.dtype}"
            yield row(f"{name}, batch {batch}, {key}", seconds["plain"], seconds[key], batch, flops, ceiling[one.dtype])
    say("networks", len(plan), len(plan))


def _plain(model: nn.Module, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
    with torch.inference_mode():
        return both(model, images)


def setting() -> dict[str, Any]:
    """What the figures hold for."""
    return {"device": "cpu", "machine": machine(), "threads": torch.get_num_threads(), "bf16": bf16.instructions()}
