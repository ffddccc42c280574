"""The page of a model: everything known about it is there, foreign text stays text."""

from __future__ import annotations

from dataclasses import replace

import pytest

from leaderboard.board import load_board, make_board, measured_row
from leaderboard.claims import load_claims
from leaderboard.record import Record
from space.model_view import contract_pairs, details_html, heading_html, percent, rows_html
from tests.leaderboard.test_again import CONTRACT
from tests.leaderboard.test_board import result
from tests.space.test_answer_view import Elements

HOSTILE = "<script>alert(1)</script>"


def words(html: str) -> str:
    return " ".join(Elements(html).words)


def test_the_shipped_model_has_contract_cost_command_and_citation():
    board = load_board()
    rows = board.model("posterpp_nano")
    record = board.records[rows[0].id]
    text = words(details_html(rows, record))
    for found in (
        "Run it again",
        record.weights_sha256,
        "--benchmark ferplus --protocol majority",
        "48 x 48 pixels, grey",
        f"temperature {record.contract['temperature']}",
        "mao2023poster++",
        "barsoum2016",
    ):
        assert found in text
    assert "GFLOPs" not in text and "0.69 G (two operations" in text and "Counted twice" in text and "stand in the training part too" in text
    top = words(heading_html("posterpp_nano", rows) + rows_html(rows, record.id))
    assert percent(rows[0]) in top and "Measured here" in top and "majority-dedup" in top
    assert rows_html(rows, record.id).count('aria-current="true"') + rows_html(rows, record.id).count("aria-current=true") == 1


def test_a_claimed_model_says_where_its_epoch_was_chosen_and_what_its_paper_counts():
    rows = make_board(load_claims(), ()).model("POSTER++")
    text = words(rows_html(rows, "") + details_html(rows, None))
    for found in ("test set", "github.com/Talented-Q/POSTER_V2 main.py", "Nothing of this model was measured here", "43.7 M, 8.4 G", "17.18 G"):
        assert found in text


def test_a_private_test_set_offers_no_command():
    rows = make_board(load_claims(), ()).model("POSTER++ (lower face; augmentation)")
    assert "private" in details_html(rows, None) and "eval score" not in details_html(rows, None)


def test_a_contract_in_words():
    record = Record.from_dict(result(contract=CONTRACT), id="one", model="ours")
    pairs = dict(contract_pairs(record))
    assert pairs["Architecture"] == "posterpp" and pairs["Expressions, in order"].startswith("neutral, happiness")
    assert pairs["Looks at"] == "the face as it is"


def test_a_model_that_looks_at_the_mirror_image_too_costs_twice():
    once, twice = (Record.from_dict(result(contract={**CONTRACT, "mirror": mirror}), id="one", model="ours") for mirror in (False, True))
    assert "mirror image" in dict(contract_pairs(twice))["Looks at"]
    shown = [words(details_html((measured_row(record),), record)) for record in (once, twice)]
    assert "17.18 G (two" in shown[0] and "1.00 times POSTER++" in shown[0] and "Counted twice" not in shown[0]
    assert "34.37 G (two" in shown[1] and "0.50 times POSTER++" in shown[1] and "Counted twice" in shown[1]


@pytest.mark.parametrize("field", ["model", "title", "source", "protocol", "epoch_selection", "epoch_source", "training_data", "submitted_by", "id"])
def test_no_field_becomes_markup(field):
    board = load_board()
    row = board.model("posterpp_nano")[0]
    hostile = replace(row, **{field: HOSTILE})
    html = heading_html(hostile.model, [hostile]) + rows_html([hostile], "") + details_html([hostile], board.records[row.id]) + details_html([hostile], None)
    assert "<script" not in html


def test_what_was_not_measured_is_named_with_its_reason():
    board = load_board()
    rows = board.model("posterpp_nano")
    record = replace(board.records[rows[0].id], analyses={"left_out": {"robustness": "The time for it was over.", "quality": "It failed (OSError)."}})
    assert "Not measured Robustness: The time for it was over. Quality: It failed (OSError)." in words(details_html(rows, record))
    assert "Not measured" not in words(details_html(rows, board.records[rows[0].id]))
