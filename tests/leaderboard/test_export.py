"""Exports stay inert in a spreadsheet, compile in LaTeX, read back in pandas, and give no finer score than a tenth of a point."""

import csv
import io
import json

import pandas as pd
import pytest
import yaml
from huggingface_hub import parse_eval_result_entries

from leaderboard.board import Board, Row, load_board, make_board
from leaderboard.claims import load_claims
from leaderboard.export import FORMATS, eval_results, export, frame, inert
from leaderboard.record import Record
from poster.errors import InputError
from tests.leaderboard.test_board import result

SOURCE = f"hub org/net@{'a' * 40}/model.pth"


@pytest.fixture
def record():
    return Record.from_dict(result(finished="2026-01-02T03:04:05+00:00", source=SOURCE), id="abc123abc123", model="ours")


@pytest.fixture
def board(record):
    return make_board(load_claims(), [record])


def test_csv_reads_back(board):
    table = pd.read_csv(io.BytesIO(export(board, "csv")), keep_default_na=False)
    assert len(table) == len(board.rows) and list(table.columns[:4]) == ["model", "benchmark", "title", "protocol"]
    ours = table[table.model == "ours"].iloc[0]
    assert ours.status == "measured" and round(float(ours.accuracy), 1) == float(ours.accuracy)


def test_no_cell_of_the_csv_is_a_formula():
    rows = [Row(attack, "raf-db", attack, attack, 90.0, None, "measured", attack, "", 0) for attack in ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1")]
    cells = [cell for line in csv.reader(io.StringIO(export(Board(tuple(rows)), "csv").decode(), newline="")) for cell in line]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in cells) and "'=1+1" in cells
    assert inert("POSTER++") == "POSTER++"


def test_json_and_parquet_hold_the_same_rows(board):
    rows = json.loads(export(board, "json"))
    table = pd.read_parquet(io.BytesIO(export(board, "parquet")))
    assert len(rows) == len(table) == len(board.rows)
    assert [row["model"] for row in rows] == list(table.model) and rows[0]["interval"] if "interval" in rows[0] else True
    assert next(row for row in rows if row["benchmark"] == "vr-headset")["low"] is None


def test_latex_escapes_what_latex_would_read(board):
    text = export(Board((Row("a_b&c%", "raf-db", "RAF-DB", "x", 90.0, (89.0, 91.0), "claimed", "50 $", "", 10),)), "latex").decode()
    assert r"a\_b\&c\% & RAF-DB & x & 90.00 & 89.0 to 91.0 & claimed" in text and r"50 \$ \\" in text
    whole = export(board, "latex").decode()
    assert whole.count(r"\\") == len(board.rows) + 1 and whole.startswith(r"\begin{tabular}{lllllllll}")


def test_markdown_is_one_table(board):
    lines = export(board, "markdown", "ferplus").decode().splitlines()
    assert len(lines) == 2 + len(board.of("ferplus")) and all(line.count("|") == 10 for line in lines)


def test_measured_scores_carry_a_tenth_of_a_point(board):
    for row in json.loads(export(board, "json")):
        if row["status"] == "measured":
            assert row["accuracy"] == round(row["accuracy"], 1) and row["macro_f1"] == round(row["macro_f1"], 1)
    assert any(row["accuracy"] == 92.05 for row in json.loads(export(board, "json"))), "a published number stays as it was published"


def test_every_format_writes_every_board():
    for form in FORMATS:
        assert isinstance(export(Board(()), form), bytes)


def test_eval_results_are_what_the_hub_reads(record, tmp_path):
    local = Record.from_dict(result(source="file x"), id="def123def123", model="local")
    (path,) = eval_results([record, local], "org/results", tmp_path)
    assert path == tmp_path / "org/net/.eval_results/ferplus_majority.yaml"
    (entry,) = parse_eval_result_entries(yaml.safe_load(path.read_text()))
    assert (entry.dataset_id, entry.task_id, entry.date) == ("org/results", "ferplus_majority", record.finished)
    assert entry.value == round(100 * record.correct / record.num_images, 1) and entry.source_url.endswith("/results/ferplus/abc123abc123.json")
    with pytest.raises(InputError, match="FER_RESULTS_REPO"):
        eval_results([record], "", tmp_path)


def test_two_protocols_of_one_model_can_be_told_apart_and_nothing_reads_none(board):
    for form in ("csv", "markdown", "latex"):
        text = export(board, form).decode()
        assert "None" not in text and "nan" not in text.lower().replace("nano", "")
    rows = export(board, "markdown").decode().splitlines()[2:]
    assert len(set(rows)) == len(rows), "every row says which it is"


def test_no_measured_percentage_is_finer_than_a_tenth():
    table = frame(load_board())
    measured = table[table["status"] == "measured"]
    for name in ("accuracy", "low", "high", "mean_class_accuracy", "macro_f1", "calibration_error", "corrupted"):
        assert ((measured[name] * 10) % 1).dropna().round(6).isin([0, 1]).all(), name
