"""Published accuracies, one source a row, read from claims.csv and checked row by row; and the test sets they were measured on."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from eval.catalogue import find
from leaderboard.names import check_name

CLAIMS_FILE = Path(__file__).with_name("claims.csv")
CLAIM_STATUS = ("claimed", "disputed")
EPOCH_SELECTION = ("unknown", "validation set", "test set", "last epoch")


@dataclass(frozen=True)
class ReportedSet:
    """A test set that papers report on. images: its size, 0 where it is not published. note: what a reader of the number must know."""

    title: str
    images: int
    note: str = ""


def _known(name: str, title: str, note: str = "") -> ReportedSet:
    """A benchmark of ours, in its default protocol."""
    return ReportedSet(title, find(name).num_images or 0, note)


TEST_SETS = {
    "raf-db": _known("raf-db", "RAF-DB"),
    "ferplus": _known("ferplus", "FERPlus", "papers do not say which of FERPlus's test sets they used; intervals assume the majority protocol"),
    "affectnet-7": _known("affectnet-7", "AffectNet-7"),
    "affectnet-8": _known("affectnet-8", "AffectNet-8"),
    "caer-s": _known("caer-s", "CAER-S"),
    "aihub-korean": _known("aihub-korean", "AI Hub Korean (lower face)", "the author's own split, size not published"),
    "vr-headset": ReportedSet("VR headset (private)", 0, "a private set, size not published"),
}


@dataclass(frozen=True)
class Claim:
    """A number somebody published. accuracy: percent. epoch_selection: on what the reported epoch was chosen; epoch_source: where that is seen.
    architecture: ours of the same network, "" where there is none."""

    model: str
    benchmark: str
    accuracy: float
    status: str
    source: str
    epoch_selection: str = "unknown"
    epoch_source: str = ""
    architecture: str = ""

    def __post_init__(self) -> None:
        check_name(self.model, "model of a claim")
        if self.benchmark not in TEST_SETS:
            raise ValueError(f"the claim of {self.model} names the benchmark {self.benchmark!r}; known are {', '.join(TEST_SETS)}")
        if not 0 < self.accuracy <= 100:
            raise ValueError(f"the claim of {self.model} on {self.benchmark} is {self.accuracy}; a percentage above 0 and up to 100 is allowed")
        if self.status not in CLAIM_STATUS:
            raise ValueError(f"the claim of {self.model} has the status {self.status!r}; allowed are {', '.join(CLAIM_STATUS)}")
        if not self.source.strip():
            raise ValueError(f"the claim of {self.model} on {self.benchmark} names no source")
        if self.epoch_selection not in EPOCH_SELECTION:
            raise ValueError(f"the claim of {self.model} chose its epoch by {self.epoch_selection!r}; allowed are {', '.join(EPOCH_SELECTION)}")
        if (self.epoch_selection == "unknown") != (not self.epoch_source):
            raise ValueError(f"the claim of {self.model} on {self.benchmark} must say where the epoch selection is seen exactly when it is known")

    @property
    def link(self) -> str:
        """The source as an https link where it names an arXiv id or a GitHub repository, else ""."""
        if found := re.search(r"arXiv:(\d{4}\.\d{4,5})", self.source):
            return f"https://arxiv.org/abs/{found[1]}"
        if found := re.search(r"github\.com/[\w.-]+/[\w.-]+", self.source):
            return f"https://{found[0]}"
        return ""


@cache
def load_claims(path: Path = CLAIMS_FILE) -> tuple[Claim, ...]:
    """Every row of the file as a validated Claim. Raises ValueError for a malformed row or for the same claim twice."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, strict=True))
    claims = []
    for number, row in enumerate(rows, start=2):
        try:
            accuracy = float(row.pop("accuracy"))
            claims.append(Claim(accuracy=accuracy, **row))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path.name} line {number}: {error}") from error
    keys = [(claim.model, claim.benchmark, claim.source) for claim in claims]
    if twice := {key for key in keys if keys.count(key) > 1}:
        raise ValueError(f"{path.name} holds the same claim twice: {min(twice)}")
    return tuple(claims)
