"""What a submitter says of a checkpoint, every field checked, and the benchmarks that can be chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eval.benchmark import Benchmark
from eval.catalogue import CATALOGUE, find
from leaderboard.names import SubmissionError, check_link, check_name, check_text

USERS_OWN = ("folder", "huggingface")  # benchmarks that mean whatever lies on a disk: nothing to rank


@dataclass(frozen=True)
class Form:
    """What the submitter says. labels, channels: the contract, None to take what is proposed; accepted: the proposal was seen and confirmed.

    training_data, epoch_selection: required, "unknown" is an answer. Raises SubmissionError for any field that is not accepted.
    """

    name: str
    submitted_by: str
    training_data: str
    epoch_selection: str
    benchmarks: tuple[Benchmark, ...]
    paper: str = ""
    code: str = ""
    labels: str | None = None
    channels: str | None = None
    accepted: bool = False

    def __post_init__(self) -> None:
        for field, what in (("name", "model's name"), ("submitted_by", "submitter's name")):
            object.__setattr__(self, field, check_name(getattr(self, field), what))
        for field, what in (("training_data", "training data"), ("epoch_selection", "epoch selection")):
            if not (text := getattr(self, field) or "").strip():
                raise SubmissionError(f"The {what} must be disclosed; write unknown if you do not know.")
            object.__setattr__(self, field, check_text(text, what))
        for field in ("paper", "code"):
            object.__setattr__(self, field, check_link(getattr(self, field), field))
        if not self.benchmarks:
            raise SubmissionError(f"Name at least one benchmark; there are {', '.join(benchmark_names())}.")


def benchmark_names() -> tuple[str, ...]:
    """Benchmarks that a model can be submitted to."""
    return tuple(dict.fromkeys(benchmark.name for benchmark in CATALOGUE if benchmark.name.removesuffix("-lower") not in USERS_OWN))


def choose_benchmarks(names: Sequence[str]) -> tuple[Benchmark, ...]:
    """Benchmarks from "ferplus" or "ferplus/majority", each once, in a fixed order. Raises InputError naming those there are."""
    chosen = {}
    for text in names:
        name, _, protocol = text.partition("/")
        if name not in benchmark_names():
            raise SubmissionError(f"There is no benchmark {name[:40]!r} to submit to; there are {', '.join(benchmark_names())}.")
        benchmark = find(name, protocol or None)
        chosen[benchmark.id] = benchmark
    return tuple(chosen[key] for key in sorted(chosen))  # one order for everybody, so that two submissions never wait for each other
