"""Claims and measured results -> one table: rows with their interval, status, source and tie group. No torch here: the page imports it at start."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from leaderboard.claims import TEST_SETS, Claim, load_claims
from leaderboard.record import Record, read_folder

RESULTS_FOLDER = Path(__file__).with_name("results")
SELF_TEST = "sketch"  # the built-in self-test: shown on its own, never among the benchmarks
Z95 = 1.959963984540054


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


def wilson(accuracy: float, images: int) -> tuple[float, float] | None:
    """95 % Wilson interval in percent of an accuracy in percent over ``images`` images; None for an unknown size.

    Works on a published percentage, whose count of correct images is known only to the rounding of the paper.
    """
    if images <= 0:
        return None
    p, z2 = accuracy / 100, Z95**2
    middle = (p + z2 / (2 * images)) / (1 + z2 / images)
    half = Z95 / (1 + z2 / images) * math.sqrt(p * (1 - p) / images + z2 / (4 * images**2))
    return max(0.0, 100 * (middle - half)), min(100.0, 100 * (middle + half))


def distinguishable(a: Row, b: Row) -> bool:
    """Whether two accuracies differ beyond chance at 5 % by the two-proportion z-test.

    The test for independent samples, since two papers publish no common record of each image; it needs a wider gap than McNemar's.
    """
    n, m = a.num_images, b.num_images
    pooled = (a.accuracy * n + b.accuracy * m) / 100 / (n + m)
    spread = math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    return spread > 0 and abs(a.accuracy - b.accuracy) / 100 / spread > Z95


def tie_groups(rows: Sequence[Row]) -> tuple[Row, ...]:
    """The rows, best first, each with its group: a group is the best remaining row and those that cannot be told apart from it.

    Disputed rows and rows without a known size belong to no group, so a number nobody could repeat does not head one.
    """
    ordered = sorted(rows, key=lambda row: (-row.accuracy, row.model))
    leader, group, grouped = None, -1, []
    for row in ordered:
        if row.status == "disputed" or row.num_images <= 0:
            grouped.append(row)
            continue
        if leader is None or distinguishable(leader, row):
            leader, group = row, group + 1
        grouped.append(replace(row, tie_group=chr(ord("a") + group) if group < 26 else "z"))
    return tuple(grouped)


def claimed_row(claim: Claim) -> Row:
    """A published number as a row."""
    known = TEST_SETS[claim.benchmark]
    return Row(
        model=claim.model, benchmark=claim.benchmark, title=known.title, protocol="not stated" if known.note else "standard", accuracy=claim.accuracy,
        interval=wilson(claim.accuracy, known.images), status=claim.status, source=claim.source, link=claim.link, num_images=known.images,
        epoch_selection=claim.epoch_selection,
    )  # fmt: skip


def measured_row(record: Record) -> Row:
    """A result of this project as a row; scores are computed from its confusion matrix."""
    accuracy = 100 * record.correct / record.num_images
    known = TEST_SETS.get(record.benchmark)
    recalls, f1 = _per_class(record.confusion)
    return Row(
        model=record.model, benchmark=record.benchmark, title=known.title if known else record.benchmark, protocol=record.protocol, accuracy=accuracy,
        interval=wilson(accuracy, record.num_images), status="measured", source=record.source or "measured by this project", link=record.paper or record.code,
        num_images=record.num_images, epoch_selection=record.epoch_selection, training_data=record.training_data, mean_class_accuracy=100 * recalls,
        macro_f1=100 * f1, parameters=record.parameters or None, weights_sha256=record.weights_sha256, submitted_by=record.submitted_by,
        finished=record.finished, id=record.id,
    )  # fmt: skip


def _per_class(confusion: Sequence[Sequence[int]]) -> tuple[float, float]:
    """Mean recall and mean F1 over the classes that have images, as fractions."""
    columns = [sum(column) for column in zip(*confusion, strict=True)]
    present = [index for index, row in enumerate(confusion) if sum(row)]
    recall = sum(confusion[i][i] / sum(confusion[i]) for i in present) / len(present)
    return recall, sum(2 * confusion[i][i] / (sum(confusion[i]) + columns[i]) for i in present) / len(present)


def make_board(claims: Iterable[Claim], records: Iterable[Record]) -> Board:
    """One table of both; of several records with the same id the first counts."""
    measured = {record.id: measured_row(record) for record in reversed(list(records))}
    rows = [*map(claimed_row, claims), *measured.values()]
    names = dict.fromkeys([*TEST_SETS, *sorted({row.benchmark for row in rows})])
    return Board(tuple(row for name in names for row in tie_groups([row for row in rows if row.benchmark == name])))


def load_board(folder: Path = RESULTS_FOLDER, records: Iterable[Record] = ()) -> Board:
    """The claims of this project, the results committed in ``folder`` and ``records`` from a store."""
    return make_board(load_claims(), [*records, *read_folder(folder)])
