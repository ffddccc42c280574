"""The rows the page's table reads."""

from __future__ import annotations

import json

import pytest

from leaderboard.board import Board, Row, load_board
from space.board_data import board_json, row_data, shown


def test_every_row_once_with_its_status_and_source():
    board = load_board()
    data = json.loads(board_json(board))
    assert len(data["rows"]) == len(board.rows) == len({row["key"] for row in data["rows"]})
    assert [one["name"] for one in data["benchmarks"]] == list(board.benchmarks)
    for row, given in zip(board.rows, data["rows"], strict=True):
        assert (given["model"], given["benchmark"], given["status"], given["source"], given.get("link", "")) == (
            row.model,
            row.benchmark,
            row.status,
            row.source,
            row.link,
        )


def test_what_is_empty_does_not_travel_and_the_rest_is_what_programs_get():
    board = load_board()
    for row, given in zip(board.rows, json.loads(board_json(board))["rows"], strict=True):
        assert None not in given.values() and "" not in given.values()
        assert {**dict.fromkeys(row_data(row)), **given} == {name: value if value != "" and name != "title" else None for name, value in row_data(row).items()}


def test_published_numbers_as_published_measured_ones_to_a_tenth():
    assert shown(92.05, "claimed") == 92.05 and shown(92.0521, "disputed") == 92.05 and shown(83.4765, "measured") == 83.5 and shown(None) is None


def test_a_keys_row_is_the_same_tomorrow():
    row = Row("POSTER", "raf-db", "RAF-DB", "standard", 92.05, (91.0, 93.0), "claimed", "arXiv:2204.04083", "", 3068)
    assert row_data(row)["key"] == row_data(row)["key"] != row_data(Row(**{**row.__dict__, "source": "another"}))["key"]


@pytest.mark.parametrize("source", ["</script><script>alert(1)</script>", "=1+1", "\u202egnp.exe"])
def test_foreign_text_travels_as_a_json_string(source):
    row = Row("m", "b", "B", "p", 50.0, None, "measured", source, "", 10)
    assert json.loads(board_json(Board((row,))))["rows"][0]["source"] == source
