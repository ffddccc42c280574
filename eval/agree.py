"""Do the runtimes say the same? Each one's answers on a whole benchmark against those of the network as it is written, in float32."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from eval.inference import Compute, Progress, batches, prepared
from eval.mapping import LabelMap
from poster.contract import ModelContract
from poster.runtime import RUNTIMES, both


@dataclass(frozen=True)
class Agreement:
    """One runtime: how many of ``images`` it names like the plain network, how many it gets right, and, where the two differ, the largest
    lead that the plain network's first choice had over its second there (a difference of logits; 0 where they never differ)."""

    runtime: str
    precision: str
    images: int
    equal: int
    right: int
    lead: float

    def to_json(self) -> dict[str, Any]:
        """All fields, the lead rounded."""
        return asdict(self) | {"lead": round(self.lead, 4)}


def agreement(runtime: str, precision: str, plain: NDArray[np.float64], ours: NDArray[np.float64], labels: NDArray[np.int64]) -> Agreement:
    """Compare probabilities (N, K) over the benchmark's labels with the plain network's; labels (N,)."""
    said, wanted = ours.argmax(axis=1), plain.argmax(axis=1)
    best = np.log(np.sort(plain, axis=1)[said != wanted][:, -2:])
    lead = float((best[:, 1] - best[:, 0]).max(initial=0.0))
    return Agreement(runtime, precision, len(labels), int((said == wanted).sum()), int((said == labels).sum()), lead)


def measure(
    model: torch.nn.Module, contract: ModelContract, classes: LabelMap, pixels: NDArray[np.uint8], labels: NDArray[np.int64], device: str, say: Progress
) -> Iterator[Agreement]:
    """The plain network first, then every runtime of the device in every precision of its own.

    pixels: uint8 (N, S, S[, 3]). labels: (N,) indices into the labels of ``classes``.
    """
    offered = [(name, dtype) for name, dtypes in RUNTIMES.items() for dtype in dtypes if (name == "cuda") == device.startswith("cuda")]
    runs = [Compute(device, dtype, runtime=name) for name, dtype in offered if name != "eager" or dtype == "float32"]
    plain = classes.probabilities(_plain(model.to(device), pixels, contract, runs[0]))
    yield agreement("plain", "float32", plain, plain, labels)
    for number, compute in enumerate(runs, 1):
        say(number, len(runs) + 1)
        logits = np.concatenate([part["logits"] for part in batches(model, pixels, contract, compute)]) * contract.temperature
        yield agreement(compute.runtime, compute.dtype, plain, classes.probabilities(logits), labels)
    say(len(runs) + 1, len(runs) + 1)


def _plain(model: torch.nn.Module, pixels: NDArray[np.uint8], contract: ModelContract, compute: Compute) -> NDArray[np.float32]:
    parts = []
    with torch.inference_mode():
        for start in range(0, len(pixels), compute.batch):
            parts.append(both(model, prepared(np.array(pixels[start : start + compute.batch]), contract, compute))[0].float().cpu().numpy())
    return np.concatenate(parts)


def table(rows: list[dict[str, Any]]) -> str:
    """The rows (:meth:`Agreement.to_json`) as a Markdown table."""
    lines = ["| runtime | accuracy % | equal predictions | lead where they differ, logits |", "|---|---|---|---|"]
    for row in rows:
        equal = f"{row['equal']:,} of {row['images']:,} ({100 * row['equal'] / row['images']:.2f} %)"
        lead = f"{row['lead']:.3f}" if row["equal"] < row["images"] else "-"
        lines.append(f"| {row['runtime']} {row['precision']} | {100 * row['right'] / row['images']:.3f} | {equal} | {lead} |")
    return "\n".join(lines)
