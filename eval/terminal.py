"""What the commands print for people: a progress bar with images per second, tables by rich."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table
from tqdm import tqdm

from eval.compare import Comparison
from eval.result import Result
from eval.scores import ScoreSheet

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
        self.file, self.bar, self.what = file, None, ""

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


def print_result(result: Result, sheet: ScoreSheet, path: Path) -> None:
    """Scores with intervals, classes, confusion matrix, verdict."""
    console = Console()
    console.print(f"[bold]{result.model}[/bold] on {result.title} ({result.benchmark}/{result.protocol}, {result.num_images:,} images)")
    table = Table("score", "value", "95 % interval")
    for name, value in sheet.scores.items():
        low_high = sheet.intervals.get(name)
        table.add_row(NAMES.get(name, name), _value(name, value), "" if low_high is None else " to ".join(_value(name, bound) for bound in low_high))
    console.print(table)
    predicted = [label[:4] for label in result.labels]
    table = Table("class", "images", "precision", "recall", "95 % interval", "F1", *predicted, title="rows true, columns predicted")
    for row, counts in zip(sheet.per_class, sheet.confusion, strict=True):
        interval = "" if row.recall_interval is None else f"{percent(row.recall_interval[0])} to {percent(row.recall_interval[1])}"
        table.add_row(row.label, str(row.support), percent(row.precision), percent(row.recall), interval, percent(row.f1), *map(str, counts))
    console.print(table)
    for sentence in (*sheet.notes, *(f"{NAMES.get(name, name)}: undefined, {why}." for name, why in sheet.undefined.items()), *result.warnings):
        console.print(f"- {sentence}", highlight=False)
    if result.diagnosis:
        console.print(f"[bold]Diagnosis[/bold]: {result.diagnosis.get('sentence', '')}")
    console.print(f"{result.seconds:.1f} s on {result.device} in {result.dtype}; result in {path}", highlight=False)


def print_benchmarks(rows: list[dict[str, Any]]) -> None:
    """One line a benchmark, then how to get those that are not here."""
    console = Console()
    table = Table("benchmark", "protocols (images)", "here")
    for row in rows:
        protocols = ", ".join(f"{item['name']} ({item['num_images']:,})" if item["num_images"] else item["name"] for item in row["protocols"])
        table.add_row(row["name"], protocols, row["found"] or "no")
    console.print(table)
    for row in rows:
        if not row["available"] and not row["name"].endswith("-lower"):
            console.print(f"[bold]{row['name']}[/bold]: {row['obtain']}. Licence: {row['licence']}. Layout: {'; or '.join(row['layouts'])}", highlight=False)


def print_comparison(comparison: Comparison) -> None:
    """Accuracies, agreement and the verdict."""
    console = Console()
    a, b = comparison.accuracy
    console.print(f"{comparison.benchmark}/{comparison.protocol}, {comparison.num_images:,} images", highlight=False)
    console.print(f"A {percent(a)} %, B {percent(b)} %; same answer on {percent(comparison.agreement)} % of the images", highlight=False)
    console.print(comparison.verdict, highlight=False)
