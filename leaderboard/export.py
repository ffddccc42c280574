"""The board in the formats papers and spreadsheets take, and results in the form that a model's own Hugging Face repository shows."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd
import yaml
from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

from leaderboard.board import SELF_TEST, Board, Row, measured_row
from leaderboard.record import Record
from poster.errors import InputError

PAPER_COLUMNS = ("Model", "Benchmark", "Protocol", "Accuracy (%)", "95 % interval", "Status", "Tie group", "Epoch chosen on", "Source")
_FORMULA = ("=", "+", "-", "@")
_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
}  # fmt: skip


def export(board: Board, form: str, benchmark: str | None = None) -> bytes:
    """The rows (of one benchmark) as csv, json, parquet, latex or markdown. Scores measured here carry a tenth of a point, like on the page."""
    rows = board.of(benchmark) if benchmark else board.rows
    return _WRITERS[form](Board(rows))


def frame(board: Board) -> pd.DataFrame:
    """The board as one table, measured scores and intervals rounded to 0.1: finer steps would help nobody but those who probe the test labels."""
    table = board.to_frame()
    scores = ["accuracy", "mean_class_accuracy", "macro_f1", "calibration_error", "corrupted"]
    areas = [name for name in table.columns if "_auc" in name]
    table[scores + areas] = table[scores + areas].astype(float)
    table[areas] = table[areas].round(3)
    measured = table["status"] == "measured"
    table.loc[measured, scores] = table.loc[measured, scores].round(1)
    table[["low", "high"]] = table[["low", "high"]].round(1)
    table["parameters"] = table["parameters"].astype("Int64")
    return table


def inert(text: str) -> str:
    """Text that a spreadsheet shows and never computes: on one line, and quoted where it begins like a formula."""
    text = re.sub(r"[\x00-\x1f]", " ", text)
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text


def _csv(board: Board) -> bytes:
    table = frame(board)
    texts = [name for name in table.columns if not pd.api.types.is_numeric_dtype(table[name])]
    table[texts] = table[texts].map(lambda value: inert(str(value)), na_action="ignore")
    return table.to_csv(index=False, lineterminator="\n").encode()


def _json(board: Board) -> bytes:
    return (json.dumps(json.loads(frame(board).to_json(orient="records")), indent=1) + "\n").encode()


def _parquet(board: Board) -> bytes:
    buffer = io.BytesIO()
    frame(board).to_parquet(buffer, index=False)
    return buffer.getvalue()


def _cells(row: Row) -> tuple[str, ...]:
    digits = 1 if row.status == "measured" else 2
    interval = f"{row.interval[0]:.1f} to {row.interval[1]:.1f}" if row.interval else ""
    return (row.model, row.title, row.protocol, f"{row.accuracy:.{digits}f}", interval, row.status, row.tie_group, row.epoch_selection, row.source)


def _markdown(board: Board) -> bytes:
    lines = [PAPER_COLUMNS, ("---",) * len(PAPER_COLUMNS), *map(_cells, board.rows)]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines).encode()


def _latex(board: Board) -> bytes:
    def line(cells: Iterable[str]) -> str:
        return " & ".join("".join(_LATEX.get(letter, letter) for letter in cell) for cell in cells) + r" \\"

    body = [line(_cells(row)) for row in board.rows]
    head = [r"\begin{tabular}{" + "l" * len(PAPER_COLUMNS) + "}", r"\toprule", line(PAPER_COLUMNS), r"\midrule"]
    return ("\n".join([*head, *body, r"\bottomrule", r"\end{tabular}"]) + "\n").encode()


_WRITERS: dict[str, Callable[[Board], bytes]] = {"csv": _csv, "json": _json, "parquet": _parquet, "latex": _latex, "markdown": _markdown}
FORMATS = tuple(_WRITERS)


def eval_results(records: Iterable[Record], results_repo: str, folder: Path) -> list[Path]:
    """One ``.eval_results/*.yaml`` a result that came from a Hub repository, under ``folder/ORG/NAME``: what its author may add to it.

    The format is the Hub's (huggingface.co/docs/hub/eval-results). Raises InputError without a data set to point to.
    """
    if not results_repo:
        raise InputError("The files point to the published results; set FER_RESULTS_REPO=ORGANISATION/NAME.")
    written = []
    for record in records:
        if not record.source.startswith("hub ") or record.benchmark == SELF_TEST:
            continue
        row = measured_row(record)
        low, high = row.interval or (row.accuracy, row.accuracy)
        entry = EvalResultEntry(
            dataset_id=results_repo,
            task_id=f"{record.benchmark}_{record.protocol}",
            value=round(row.accuracy, 1),
            date=record.finished or None,
            source_url=f"https://huggingface.co/datasets/{results_repo}/blob/main/results/{record.benchmark}/{record.id}.json",
            source_name="Result with confusion matrix and intervals",
            notes=f"accuracy in percent, 95 % interval {low:.1f} to {high:.1f}, {record.num_images} images, weights sha256 {record.weights_sha256}",
        )
        repo = record.source.removeprefix("hub ").partition("@")[0]
        path = folder / repo / ".eval_results" / f"{record.benchmark}_{record.protocol}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(eval_result_entries_to_yaml([entry]), sort_keys=False))
        written.append(path)
    return written
