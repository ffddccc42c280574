"""Which figure the Leaderboard page draws, and what it says where there is none."""

from __future__ import annotations

import json
import sqlite3

import pytest

from leaderboard.board import load_board, make_board
from leaderboard.claims import load_claims
from leaderboard.config import Config
from leaderboard.figures import AXES, front
from leaderboard.result_figures import HAS
from leaderboard.store import open_store
from space.board_cache import BoardCache
from space.board_page import compared, drawn, parts
from tests.leaderboard.test_result_figures import record

BOARD = make_board(load_claims(), [record("one"), record("two")])


@pytest.mark.parametrize("width", [None, 390, 1440])
@pytest.mark.parametrize("plot", ["interval", *AXES, *HAS])
def test_every_figure_is_drawn_for_wide_and_narrow_windows(plot, width):
    figure = drawn(BOARD, "ferplus", plot, (), width)
    assert figure is not None and figure.layout.height >= 300
    assert width != 390 or all(len(line) <= 44 for line in figure.layout.title.text.split("<br>"))


def test_results_that_are_ticked_are_compared_in_their_order_else_the_best():
    assert [one.id for one in compared(BOARD, "ferplus", ["two", "unknown", "one"])] == ["two", "one"]
    best = next(row for row in BOARD.of("ferplus") if row.status == "measured")
    assert compared(BOARD, "ferplus", [])[0].id == best.id


def test_words_stand_where_nothing_was_measured_or_can_be_counted():
    figure, words = parts(BOARD, "raf-db", "confusion", (), None)
    assert not figure["visible"] and words["visible"] and "--benchmark raf-db" in words["value"]
    figure, words = parts(BOARD, "raf-db", "flops", (), None)
    assert figure["visible"] and not words["visible"]
    assert drawn(make_board([one for one in load_claims() if not one.architecture], ()), "raf-db", "speed", (), None) is None


@pytest.mark.parametrize("name", list(AXES))
def test_no_row_of_the_front_is_beaten_and_every_other_is(name):
    axis = AXES[name]
    rows = [row for row in BOARD.of("raf-db") if getattr(row, axis.column) is not None]
    value = lambda row: getattr(row, axis.column) * (1 if axis.less_is_better else -1)  # noqa: E731
    best = front(rows, axis)
    assert best and {row.status for row in best} == {"claimed"}
    for row in rows:
        beaten = any(value(other) <= value(row) and other.accuracy > row.accuracy for other in rows)
        assert (row in best) <= (not beaten) and (beaten or any(other.accuracy == row.accuracy and value(other) <= value(row) for other in best))


def test_the_board_is_made_anew_only_for_a_new_result(tmp_path):
    config = Config(data=tmp_path)
    store = open_store(config.url)
    cache = BoardCache(store, config)
    first, text = cache(), cache.json()
    assert cache() is first and cache.json() is text and first.rows == load_board().rows
    with sqlite3.connect(tmp_path / "leaderboard.db") as connection:  # keys to other tables are not looked at by default
        values = ("new1", "j", 1, json.dumps(record("new1").to_dict()), 1.0, "")
        connection.execute("INSERT INTO results (id, job, token, record, created, published_commit) VALUES (?, ?, ?, ?, ?, ?)", values)
    connection.close()
    assert cache() is not first and "new1" in cache().records and "new1" in cache.json()
    store.close()
