"""What each architecture costs, counted alike for all by ``python -m leaderboard compute``, beside what papers state. No torch here."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

COMPUTE_FILE = Path(__file__).with_name("compute.json")
PUBLISHED_FILE = Path(__file__).with_name("published_compute.csv")
REFERENCE = "posterpp"  # whose speed is 1


@dataclass(frozen=True)
class Cost:
    """One architecture with seven classes, one image at its own input size. flops: two operations a multiply-add; macs: one.

    speed: images a second as a multiple of REFERENCE's, by batch size; medians of rounds in which every architecture took its turn.
    """

    architecture: str
    parameters: int
    flops: int
    macs: int
    speed: dict[int, float]


@dataclass(frozen=True)
class Costs:
    """All of one run. setting: the device, precision and threads the speeds hold for, in words."""

    of: dict[str, Cost]
    setting: str
    batch: int

    def speed(self, architecture: str) -> float | None:
        """At the larger batch, None for an architecture that was not timed."""
        return self.of[architecture].speed[self.batch] if architecture in self.of else None


@dataclass(frozen=True)
class Published:
    """What a paper states. gflops: as it is printed; counted_as: what a count of ours shows that it stands for."""

    architecture: str
    parameters_millions: float
    gflops: float
    counted_as: str
    source: str


@cache
def load_costs(path: Path = COMPUTE_FILE) -> Costs:
    """The committed file. Raises ValueError or KeyError when it is malformed: it is ours."""
    data = json.loads(path.read_text(encoding="utf-8"))
    costs = {
        name: Cost(name, one["parameters"], one["flops"], one["macs"], {int(batch): ratio for batch, ratio in one["speed"].items()})
        for name, one in data["architectures"].items()
    }
    setting = f"{data['device']}, {data['dtype']}, {data['threads']} {'thread' if data['threads'] == 1 else 'threads'}"
    return Costs(costs, setting, max(data["batches"]))


@cache
def load_published(path: Path = PUBLISHED_FILE) -> tuple[Published, ...]:
    """Parameters and FLOPs as papers state them, one source a row."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, strict=True))
    return tuple(Published(row["architecture"], float(row["parameters_millions"]), float(row["gflops"]), row["counted_as"], row["source"]) for row in rows)
