"""Which runtime is the fastest on this CPU: a setting, or one measurement under 20 s that is remembered."""

from __future__ import annotations

import json
import logging
import os
import platform
import time
from pathlib import Path

import torch

from poster.data.memo import cache_dir, write_atomically
from poster.runtime import RUNTIMES, Run, RuntimeChoiceError, prepared

log = logging.getLogger(__name__)

BUDGET = 8.0  # seconds after which the measurement starts nothing new: under 20 in all on a busy machine too
ROUNDS, BATCH = 7, 32


def machine() -> str:
    """What a measurement holds for: processor, cores, threads and the versions of what computes."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    processor = names[0] if names else platform.processor()
    parts = (processor, torch.backends.cpu.get_cpu_capability(), os.cpu_count(), torch.get_num_threads(), f"torch {torch.__version__}")
    return ", ".join(map(str, parts))


def setting() -> str:
    """The setting FER_RUNTIME: a runtime's name, or auto (the default). Raises RuntimeChoiceError for another word."""
    chosen = os.environ.get("FER_RUNTIME") or "auto"
    if chosen != "auto" and chosen not in RUNTIMES:
        raise RuntimeChoiceError(f"FER_RUNTIME is {chosen!r}; it must be one of {', '.join(RUNTIMES)}, auto")
    return chosen


def fastest(dtype: str = "float32", measure: bool = True) -> str:
    """The runtime for this CPU in a precision: the fastest of those installed, from a measurement under 20 s that is kept in the cache folder.

    measure: False takes the first of them, eager or bf16, where nothing is known yet.
    """
    names = [name for name, offered in RUNTIMES.items() if name != "cuda" and dtype in offered]
    if len(names) == 1:
        return names[0]
    path, here = cache_dir() / "runtime.json", machine()
    known = _remembered(path, here)
    if not known.get(dtype):
        if not measure:
            return names[0]
        known[dtype] = timed(names, dtype)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, json.dumps({"machine": here, "seconds": known}, indent=1).encode())
        except OSError as error:
            log.warning("The choice of the runtime cannot be kept (%s) and is measured again next time.", error.strerror)
    seconds = known[dtype]
    return min(seconds, key=lambda name: seconds[name])


def _remembered(path: Path, here: str) -> dict[str, dict[str, float]]:
    """Seconds by precision and runtime, measured on this very machine; empty where there is no such file."""
    try:
        kept = json.loads(path.read_text())
        seconds = {dtype: {name: float(value) for name, value in one.items() if name in RUNTIMES} for dtype, one in kept["seconds"].items()}
        return seconds if kept["machine"] == here else {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def timed(names: list[str], dtype: str) -> dict[str, float]:
    """Seconds of a batch of 32 through the smallest model, the best of several turns, which other programs disturb least.

    What is not ready when the time is up is left out.
    """
    from poster.models import create_model

    start = time.monotonic()
    with torch.random.fork_rng(devices=[]):
        model = create_model("posterpp_nano").eval()
    images = torch.zeros(BATCH, 3, model.img_size, model.img_size)
    runs: dict[str, Run] = {}
    for name in names:
        if not runs or time.monotonic() - start < BUDGET:
            runs[name] = prepared(model, name, dtype)
            runs[name](images)
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(ROUNDS):
        for name, run in runs.items():
            if turn == 0 or time.monotonic() - start < BUDGET:
                began = time.perf_counter()
                run(images)
                seconds[name].append(time.perf_counter() - began)
    return {name: min(values) for name, values in seconds.items()}
