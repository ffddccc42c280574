"""Claims and measured results -> one table: rows with their interval, status, source and tie group. No torch here: the page imports it at start."""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from eval import metrics
from eval.significance import mcnemar, wilson
from eval.ties import tie_groups_of_many
from leaderboard.claims import TEST_SETS, Claim, load_claims
from leaderboard.compute import load_costs
from leaderboard.evidence import calibration_error
from leaderboard.record import Record, read_folder

RESULTS_FOLDER = Path(__file__).with_name("results")
SELF_TEST = "sketch"  # the built-in self-test: shown on its own, never among the benchmarks
Correct = Mapping[str, NDArray[np.bool_]]


@dataclass(frozen=True)
class Row:
    """One line of the leaderboard.

    accuracy, interval, mean_class_accuracy, macro_f1, calibration_error, corrupted (mean accuracy under corruptions): percent, all but the first
    two only for measured rows. interval: 95 % Wilson, None when the size of the test set is not published. status: measured, claimed or
    disputed. tie_group: "a" for the best row of its benchmark and all that cannot be told apart from it, then "b", ...; "" where it cannot
    be computed. parameters, flops (two operations a multiply-add), speed (of leaderboard.compute.REFERENCE: 1): counted and timed here for
    the architecture, None where the network is not one of ours; looks: how often the network sees a picture, 2 where the mirror image too.
    deletion_auc, insertion_auc: what the default heatmap is worth (`eval heatmaps`,
    blurred fill, 0 to 1; less is better for the first, more for the second) with the ends of their 95 % intervals; None where not measured.
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
    epoch_source: str = ""
    training_data: str = "unknown"
    mean_class_accuracy: float | None = None
    macro_f1: float | None = None
    calibration_error: float | None = None
    corrupted: float | None = None
    deletion_auc: float | None = None
    deletion_auc_low: float | None = None
    deletion_auc_high: float | None = None
    insertion_auc: float | None = None
    insertion_auc_low: float | None = None
    insertion_auc_high: float | None = None
    architecture: str = ""
    parameters: int | None = None
    flops: int | None = None
    speed: float | None = None
    looks: int = 1
    weights_sha256: str = ""
    submitted_by: str = ""
    finished: str = ""
    id: str = ""

    @property
    def key(self) -> str:
        """A short name for addresses: the result's, or made of model, benchmark and source."""
        return self.id or hashlib.sha256(f"{self.model}|{self.benchmark}|{self.source}".encode()).hexdigest()[:10]


@dataclass(frozen=True)
class Board:
    """Every row, best first within its benchmark. records: the measured results by their id."""

    rows: tuple[Row, ...]
    records: Mapping[str, Record] = field(default_factory=dict)

    @property
    def benchmarks(self) -> tuple[str, ...]:
        """Names of the benchmarks that have a row: those with a measured one first, then those with most rows; the self-test last."""
        counts = Counter(row.benchmark for row in self.rows)
        measured = {row.benchmark for row in self.rows if row.status == "measured"}
        return tuple(sorted(counts, key=lambda name: (name == SELF_TEST, name not in measured, -counts[name], name)))

    def of(self, benchmark: str) -> tuple[Row, ...]:
        """The rows of one benchmark, best first."""
        return tuple(row for row in self.rows if row.benchmark == benchmark)

    def model(self, name: str) -> tuple[Row, ...]:
        """The rows of one model, measured ones first."""
        return tuple(sorted((row for row in self.rows if row.model == name), key=lambda row: row.status != "measured"))

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


def p_values(row: Row, others: Sequence[Row], correct: Correct) -> NDArray[np.float64]:
    """Of the difference of a row to each other: McNemar's test where both were measured here on the same images, else the two-proportion z-test.

    The second is for independent samples, since two papers publish no common record of each image; it needs a wider gap than McNemar's.
    """
    from scipy.special import erfc  # not before it is needed: it would take a third of a second of the start

    n, m = row.num_images, np.array([other.num_images for other in others])
    accuracy = np.array([other.accuracy for other in others])
    pooled = (row.accuracy * n + accuracy * m) / 100 / (n + m)
    spread = np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.where(spread > 0, erfc(np.abs(row.accuracy - accuracy) / 100 / spread / math.sqrt(2)), 1.0)
    if row.id in correct:
        for place, other in enumerate(others):
            if (row.benchmark, row.protocol) == (other.benchmark, other.protocol) and other.id in correct:
                found[place] = mcnemar(correct[row.id], correct[other.id]).p_value
    return found


def grouped(rows: Sequence[Row], correct: Correct) -> tuple[Row, ...]:
    """The rows of one benchmark, best first, each with its tie group (eval.ties).

    Disputed rows and rows without a known size belong to no group, so a number nobody could repeat does not head one.
    """
    ordered = sorted(rows, key=lambda row: (-row.accuracy, row.model, row.id))
    places = [place for place, row in enumerate(ordered) if row.status != "disputed" and row.num_images > 0]
    compared = [ordered[place] for place in places]
    groups = tie_groups_of_many(lambda place: p_values(compared[place], compared[place + 1 :], correct), len(compared))
    letters = dict(zip(places, map(letter, groups), strict=True))
    return tuple(replace(row, tie_group=letters.get(place, "")) for place, row in enumerate(ordered))


def letter(group: int) -> str:
    """1 -> a, 26 -> z, 27 -> aa, as spreadsheets count columns.

    >>> [letter(group) for group in (1, 26, 27)]
    ['a', 'z', 'aa']
    """
    text = ""
    while group:
        group, rest = divmod(group - 1, 26)
        text = chr(ord("a") + rest) + text
    return text


def priced(row: Row) -> Row:
    """The row with what its architecture costs; unchanged for a network that is not ours."""
    costs = load_costs()
    found, speed = costs.of.get(row.architecture), costs.speed(row.architecture)
    if found is None or speed is None:
        return row
    return replace(row, parameters=row.parameters or found.parameters, flops=found.flops * row.looks, speed=speed / row.looks)


def claimed_row(claim: Claim) -> Row:
    """A published number as a row."""
    known = TEST_SETS[claim.benchmark]
    return priced(Row(
        model=claim.model, benchmark=claim.benchmark, title=known.title, protocol="not stated" if known.note else "standard", accuracy=claim.accuracy,
        interval=interval_of(claim.accuracy, known.images), status=claim.status, source=claim.source, link=claim.link, num_images=known.images,
        epoch_selection=claim.epoch_selection, epoch_source=claim.epoch_source, architecture=claim.architecture,
    ))  # fmt: skip


def measured_row(record: Record) -> Row:
    """A result of this project as a row; scores are computed from its confusion matrix."""
    confusion = np.array(record.confusion)
    accuracy = 100 * metrics.accuracy(confusion)
    known = TEST_SETS.get(record.benchmark)
    calibration, robustness = calibration_error(record.reliability), record.analyses.get("robustness", {}).get("mean_corruption_accuracy")
    return priced(Row(
        model=record.model, benchmark=record.benchmark, title=known.title if known else record.benchmark, protocol=record.protocol, accuracy=accuracy,
        interval=interval_of(accuracy, record.num_images), status="measured", source=record.source or "measured by this project",
        link=record.paper or record.code or _hub_link(record.source), num_images=record.num_images, epoch_selection=record.epoch_selection,
        training_data=record.training_data, mean_class_accuracy=100 * metrics.mean_class_accuracy(confusion),
        macro_f1=100 * metrics.macro_f1(confusion), calibration_error=None if calibration is None else 100 * calibration,
        corrupted=None if robustness is None else 100 * robustness, architecture=record.architecture, parameters=record.parameters or None,
        looks=2 if record.contract.get("mirror") else 1,
        weights_sha256=record.weights_sha256,
        submitted_by=record.submitted_by, finished=record.finished, id=record.id, **heatmap_scores(record.analyses.get("heatmaps", {})),
    ))  # fmt: skip


def heatmap_scores(block: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that ``python -m eval heatmaps --into RESULT.json`` left in a result; nothing unless all are shares in order."""
    found: dict[str, Any] = {}
    for kind in ("deletion_auc", "insertion_auc"):
        intervals = block.get("intervals")
        ends = intervals.get(kind) if isinstance(intervals, Mapping) else None
        values = [block.get(kind), *(ends if isinstance(ends, list) else ())]
        if len(values) != 3 or not all(type(value) in (float, int) and 0 <= value <= 1 for value in values) or not values[1] <= values[2]:
            return {}
        found |= dict(zip((kind, f"{kind}_low", f"{kind}_high"), values, strict=True))
    return found


def _hub_link(source: str) -> str:
    """The page of the commit a Hub submission was pinned to."""
    found = re.fullmatch(r"hub ([\w.-]+/[\w.-]+)@([0-9a-f]{40})/.+", source)
    return f"https://huggingface.co/{found[1]}/tree/{found[2]}" if found else ""


def make_board(claims: Iterable[Claim], records: Iterable[Record], correct: Correct | None = None) -> Board:
    """One table of both; of several records with the same id the first counts. correct: result id -> (N,) whether each image was right."""
    known = {record.id: record for record in reversed(list(records))}
    rows = [*map(claimed_row, claims), *map(measured_row, known.values())]
    names = dict.fromkeys([*TEST_SETS, *sorted({row.benchmark for row in rows})])
    of: dict[str, list[Row]] = {name: [] for name in names}
    for row in rows:
        of[row.benchmark].append(row)
    return Board(tuple(row for some in of.values() for row in grouped(some, correct or {})), known)


def load_board(folder: Path = RESULTS_FOLDER, records: Iterable[Record] = (), correct: Correct | None = None) -> Board:
    """The claims of this project, the results committed in ``folder`` and ``records`` from a store."""
    return make_board(load_claims(), [*records, *read_folder(folder)], correct)
