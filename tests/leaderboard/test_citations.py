"""BibTeX: the right paper for each model of the board, entries that are well-formed, each once."""

import re

import pytest

from leaderboard.board import make_board
from leaderboard.citations import bibliography, of_benchmark, of_model
from leaderboard.claims import load_claims
from leaderboard.record import Record
from tests.leaderboard.test_board import result


@pytest.mark.parametrize(
    ("model", "architecture", "key"),
    [
        ("POSTER", "", "zheng2022poster"), ("POSTER-l", "", "zheng2022poster"), ("POSTER++", "", "mao2023poster++"),
        ("POSTER++ (lower face)", "", "mao2023poster++"), ("posterpp_nano", "posterpp_nano", "mao2023poster++"), ("mine", "adaface_ir50", "kim2022adaface"),
        ("mine", "poster_base", "zheng2022poster"),
    ],
)  # fmt: skip
def test_the_paper_of_a_model(model, architecture, key):
    assert of_model(model, architecture).splitlines()[0].endswith(f"{{{key},")


@pytest.mark.parametrize("model", ["ResEmoteNet", "POSTERITY", "mine"])
def test_no_paper_is_made_up(model):
    assert of_model(model) == "" == of_benchmark("sketch")


def test_a_models_bibliography_holds_the_paper_the_result_and_the_data_once():
    record = Record.from_dict(result(finished="2026-01-02T03:04:05+00:00"), id="one", model="POSTER")
    rows = make_board(load_claims(), [record]).model("POSTER")
    text = bibliography(rows)
    keys = re.findall(r"^@\w+\{([^,]+),$", text, re.M)
    assert len(keys) == len(set(keys)) and {"zheng2022poster", "poster-ferplus", "barsoum2016ferplus", "li2017rafdb"} <= set(keys)
    assert text.count("{") == text.count("}") and "a" * 64 in text and "2026-01-02" in text
