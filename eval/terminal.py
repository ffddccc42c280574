"""What the commands print for people: a progress bar with images per second, tables by rich."""

from __future__ import annotations

import io
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from rich.console import Console, RenderableType
from rich.table import Table
from tqdm import tqdm

from eval.compare import Comparison
from eval.result import Result
from eval.scores import ScoreSheet
from eval.ties import Standing
from eval.verification import Verification

NAMES = {
    "accuracy": "accuracy", "mean_class_accuracy": "mean class accuracy (UAR)", "macro_f1": "macro F1", "weighted_f1": "weighted F1",
    "cohen_kappa": "Cohen's kappa", "top2_accuracy": "top-2 accuracy", "log_loss": "log loss (nats)", "brier": "Brier score",
    "ece": "calibration error (ECE)", "soft_cross_entropy": "cross-entropy to the votes (nats)", "vote_entropy": "entropy of the votes (nats)",
    "annotator_ceiling": "agreement of the annotators",
}  # fmt: skip
SHARES = {"accuracy", "mean_class_accuracy", "macro_f1", "weighted_f1", "top2_accuracy", "annotator_ceiling"}


class ProgressBar:
    """A bar on a terminal, one line at start and end elsewhere; called with what is going on, images done and images in all."""

    def __init__(self, file: TextIO) -> None:
        self.file, self.what = file, ""
        self.bar: tqdm | None = None

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None) -> None:
        if self.bar is not None:
            self.bar.close()

    def __call__(self, what: str, done: int, total: int) -> None:
        if self.bar is None or what != self.what:
            if self.bar is not None:
                self.bar.close()
            interval = 0.1 if self.file.isatty() else 10.0
            self.bar, self.what = tqdm(total=total, desc=what, unit="image", file=self.file, mininterval=interval), what
        self.bar.update(done - self.bar.n)


def percent(value: float | None) -> str:
    """A share as percent with two decimals, a dash where it is undefined."""
    return "-" if value is None else f"{100 * value:.2f}"


def _value(name: str, value: float | None) -> str:
    if value is None:
        return "undefined"
    return f"{percent(value)} %" if name in SHARES else f"{value:.4f}"


def _text(*parts: RenderableType) -> str:
    """Tables and sentences as plain text of at most 120 columns."""
    console = Console(file=io.StringIO(), width=120, highlight=False, markup=False)
    for part in parts:
        console.print(part)
    return console.file.getvalue().rstrip()  # type: ignore[attr-defined]


def _interval(name: str, interval: tuple[float, float] | None) -> str:
    return "" if interval is None else " to ".join(_value(name, bound).removesuffix(" %") for bound in interval)


def result(result: Result, sheet: ScoreSheet, path: Path) -> str:
    """Scores with intervals, classes, confusion matrix, what to know, verdict."""
    scores = Table("score", "value", "95 % interval")
    for name, value in sheet.scores.items():
        scores.add_row(NAMES.get(name, name), _value(name, value), _interval(name, sheet.intervals.get(name)))
    classes = Table("class", "images", "precision %", "recall %", "95 % interval", "F1 %")
    for row in sheet.per_class:
        cells = (percent(row.precision), percent(row.recall), _interval("accuracy", row.recall_interval), percent(row.f1))
        classes.add_row(row.label, str(row.support), *cells)
    confusion = Table("true \\ predicted", *result.labels)
    for row, counts in zip(sheet.per_class, sheet.confusion, strict=True):
        confusion.add_row(row.label, *map(str, counts))
    undefined = [f"{NAMES.get(name, name)} is undefined: {why}." for name, why in sheet.undefined.items()]
    remarks = [f"- {sentence}" for sentence in (*sheet.notes, *undefined, *result.warnings)]
    verdict = f"Diagnosis: {result.diagnosis['sentence']}" if "sentence" in result.diagnosis else "Diagnosis: not made."
    title = f"{result.model} on {result.title} ({result.benchmark}/{result.protocol}, {result.num_images:,} images)"
    rate = f"{result.seconds:.1f} s on {result.device} in {result.dtype}; result in {path}"
    return _text(title, scores, classes, confusion, *remarks, verdict, rate)


def benchmarks(rows: list[dict[str, Any]]) -> str:
    """One line a benchmark, then how to get those that are not here."""
    table = Table("benchmark", "protocols (images)", "here")
    for row in rows:
        protocols = ", ".join(f"{item['name']} ({item['num_images']:,})" if item["num_images"] else item["name"] for item in row["protocols"])
        table.add_row(row["name"], protocols, row["found"] or "no")
    missing = [row for row in rows if not row["available"] and not row["name"].endswith("-lower")]
    lines = [f"{row['name']}: {row['obtain']}. Licence: {row['licence']}. Layout: {'; or '.join(row['layouts'])}." for row in missing]
    return _text(table, *lines)


def comparison(comparison: Comparison) -> str:
    """Accuracies, agreement and the verdict."""
    a, b = comparison.accuracy
    same = f"same answer on {percent(comparison.agreement)} % of the images"
    where = f"{comparison.benchmark}/{comparison.protocol}, {comparison.num_images:,} images"
    return _text(where, f"A {percent(a)} %, B {percent(b)} %; {same}", comparison.verdict)


def ranking(rows: tuple[Standing, ...]) -> str:
    """Rank, tie group and accuracy, best first."""
    table = Table("rank", "tie group", "result", "accuracy %")
    for row in rows:
        table.add_row(str(row.rank), str(row.group), row.name, percent(row.accuracy))
    return _text(table, "Rank: 1 + results that are significantly better (McNemar, Holm-corrected, 5 %). A tie group: none significantly worse than its best.")


def verification(scores: dict[str, Verification]) -> str:
    """One line a pair set."""
    table = Table("set", "pairs", "accuracy % (ten folds)", "spread", "TAR % at FAR 1e-3", "at FAR 1e-4")
    for name, value in scores.items():
        rates = (percent(value.tar["0.001"]), percent(value.tar["0.0001"]))
        table.add_row(name, str(value.pairs), percent(value.accuracy), percent(value.spread), *rates)
    return _text(table)
