"""Claims and measured results -> one table: rows with their interval, status, source and tie group. No torch here: the page imports it at start."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from eval import metrics
from eval.significance import mcnemar, wilson
from eval.ties import tie_groups
from leaderboard.claims import TEST_SETS, Claim, load_claims
from leaderboard.record import Record, read_folder

RESULTS_FOLDER = Path(__file__).with_name("results")
SELF_TEST = "sketch"  # the built-in self-test: shown on its own, never among the benchmarks
Correct = Mapping[str, NDArray[np.bool_]]


@dataclass(frozen=True)
class Row:
    """One line of the leaderboard.

    accuracy, interval, mean_class_accuracy, macro_f1: percent; the last two only for measured rows. interval: 95 % Wilson, None when the
    size of the test set is not published. status: measured, claimed or disputed. tie_group: "a" for the best row of its benchmark and all
    that cannot be told apart from it, then "b", ...; "" where it cannot be computed.
    """

    model: str
    benchmark: str
    title: str
    protocol: str
    accuracy: float
    interval: tuple[float, float] | None
    status: str
    source: str
    link: str
    num_images: int
    tie_group: str = ""
    epoch_selection: str = "unknown"
    training_data: str = "unknown"
    mean_class_accuracy: float | None = None
    macro_f1: float | None = None
    parameters: int | None = None
    weights_sha256: str = ""
    submitted_by: str = ""
    finished: str = ""
    id: str = ""


@dataclass(frozen=True)
class Board:
    """Every row, best first within its benchmark."""

    rows: tuple[Row, ...]

    @property
    def benchmarks(self) -> tuple[str, ...]:
        """Names of the benchmarks that have a row, those with most rows first; the self-test last."""
        names = {row.benchmark for row in self.rows}
        return tuple(sorted(names, key=lambda name: (name == SELF_TEST, -len(self.of(name)), name)))

    def of(self, benchmark: str) -> tuple[Row, ...]:
        """The rows of one benchmark, best first."""
        return tuple(row for row in self.rows if row.benchmark == benchmark)

    def to_frame(self) -> pd.DataFrame:
        """One line a row, the interval as two columns (low, high) in percent."""
        columns = [field for field in Row.__dataclass_fields__ if field != "interval"]
        frame = pd.DataFrame([[getattr(row, name) for name in columns] for row in self.rows], columns=columns)
        for position, name in enumerate(("low", "high")):
            ends = [row.interval[position] if row.interval else math.nan for row in self.rows]
            frame.insert(columns.index("accuracy") + 1 + position, name, pd.Series(ends, dtype=float))
        return frame


def interval_of(accuracy: float, images: int) -> tuple[float, float] | None:
    """95 % Wilson interval in percent of an accuracy in percent over ``images`` images; None for an unknown size.

    A published percentage stands for the nearest count of right images.
    """
    if images <= 0:
        return None
    low, high = wilson(round(accuracy * images / 100), images)
    return 100 * low, 100 * high


def p_value(a: Row, b: Row, correct: Correct) -> float:
    """Of the difference between two rows: McNemar's test where both were measured here on the same images, else the two-proportion z-test.

    The second is for independent samples, since two papers publish no common record of each image; it needs a wider gap than McNemar's.
    """
    if (a.benchmark, a.protocol) == (b.benchmark, b.protocol) and a.id in correct and b.id in correct:
        return mcnemar(correct[a.id], correct[b.id]).p_value
    n, m = a.num_images, b.num_images
    pooled = (a.accuracy * n + b.accuracy * m) / 100 / (n + m)
    spread = math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    return math.erfc(abs(a.accuracy - b.accuracy) / 100 / spread / math.sqrt(2)) if spread else 1.0


def grouped(rows: Sequence[Row], correct: Correct) -> tuple[Row, ...]:
    """The rows of one benchmark, best first, each with its tie group (eval.ties).

    Disputed rows and rows without a known size belong to no group, so a number nobody could repeat does not head one.
    """
    ordered = sorted(rows, key=lambda row: (-row.accuracy, row.model, row.id))
    compared = {str(place): row for place, row in enumerate(ordered) if row.status != "disputed" and row.num_images > 0}
    groups, _ = tie_groups(tuple(compared), lambda a, b: p_value(compared[a], compared[b], correct))
    letters = {place: chr(ord("a") + min(group - 1, 25)) for place, group in groups.items()}
    return tuple(replace(row, tie_group=letters.get(str(place), "")) for place, row in enumerate(ordered))


def claimed_row(claim: Claim) -> Row:
    """A published number as a row."""
    known = TEST_SETS[claim.benchmark]
    return Row(
        model=claim.model, benchmark=claim.benchmark, title=known.title, protocol="not stated" if known.note else "standard", accuracy=claim.accuracy,
        interval=interval_of(claim.accuracy, known.images), status=claim.status, source=claim.source, link=claim.link, num_images=known.images,
        epoch_selection=claim.epoch_selection,
    )  # fmt: skip


def measured_row(record: Record) -> Row:
    """A result of this project as a row; scores are computed from its confusion matrix."""
    confusion = np.array(record.confusion)
    accuracy = 100 * metrics.accuracy(confusion)
    known = TEST_SETS.get(record.benchmark)
    return Row(
        model=record.model, benchmark=record.benchmark, title=known.title if known else record.benchmark, protocol=record.protocol, accuracy=accuracy,
        interval=interval_of(accuracy, record.num_images), status="measured", source=record.source or "measured by this project",
        link=record.paper or record.code or _hub_link(record.source), num_images=record.num_images, epoch_selection=record.epoch_selection,
        training_data=record.training_data, mean_class_accuracy=100 * metrics.mean_class_accuracy(confusion),
        macro_f1=100 * metrics.macro_f1(confusion), parameters=record.parameters or None, weights_sha256=record.weights_sha256,
        submitted_by=record.submitted_by, finished=record.finished, id=record.id,
    )  # fmt: skip


def _hub_link(source: str) -> str:
    """The page of the commit a Hub submission was pinned to."""
    found = re.fullmatch(r"hub ([\w.-]+/[\w.-]+)@([0-9a-f]{40})/.+", source)
    return f"https://huggingface.co/{found[1]}/tree/{found[2]}" if found else ""


def make_board(claims: Iterable[Claim], records: Iterable[Record], correct: Correct | None = None) -> Board:
    """One table of both; of several records with the same id the first counts. correct: result id -> (N,) whether each image was right."""
    measured = {record.id: measured_row(record) for record in reversed(list(records))}
    rows = [*map(claimed_row, claims), *measured.values()]
    names = dict.fromkeys([*TEST_SETS, *sorted({row.benchmark for row in rows})])
    return Board(tuple(row for name in names for row in grouped([row for row in rows if row.benchmark == name], correct or {})))


def load_board(folder: Path = RESULTS_FOLDER, records: Iterable[Record] = (), correct: Correct | None = None) -> Board:
    """The claims of this project, the results committed in ``folder`` and ``records`` from a store."""
    return make_board(load_claims(), [*records, *read_folder(folder)], correct)
