"""The functions for programs, called in place."""

from __future__ import annotations

import base64

import gradio as gr
import pytest

from leaderboard.board import load_board
from poster.errors import InputError
from space.api import MAX_CHARACTERS, classified, decoded, rows, said
from space.uploads import example

TEXT = base64.b64encode(b"\x00\xffpixels").decode()


@pytest.mark.parametrize("photo", [TEXT, f"data:image/png;base64,{TEXT}"])
def test_base64_with_and_without_a_prefix(photo):
    assert decoded(photo) == b"\x00\xffpixels"


@pytest.mark.parametrize("photo", ["", "abc", "ab c=", "data:image/png", "é" * 8, TEXT + "\n!", None, 7])
def test_what_is_no_base64(photo):
    with pytest.raises(InputError, match="base64"):
        decoded(photo)


def test_too_long_is_refused_before_it_is_decoded():
    with pytest.raises(InputError, match="larger than 8 MB"):
        decoded("A" * (MAX_CHARACTERS + 1))
    assert len(decoded("A" * (MAX_CHARACTERS // 4 * 4))) == MAX_CHARACTERS // 4 * 3


def test_classified_is_what_the_command_prints(engine):
    answer = classified(engine, example())
    assert list(answer) == ["model", "detector", "image", "faces"] and set(answer["faces"][0]) == {"box", "probabilities", "quality", "problems"}
    assert answer["faces"][0]["problems"] == []
    assert list(answer["faces"][0]["probabilities"].values()) == sorted(answer["faces"][0]["probabilities"].values(), reverse=True)


def test_rows_of_a_benchmark_and_a_status():
    board = load_board()
    assert len(rows(board)["rows"]) == len(board.rows)
    chosen = rows(board, "raf-db", "disputed")["rows"]
    assert {(row["benchmark"], row["status"]) for row in chosen} == {("raf-db", "disputed")}
    for wrong in ({"benchmark": "x"}, {"status": "true"}):
        with pytest.raises(InputError):
            rows(board, **wrong)


def test_only_sentences_for_visitors_are_passed_on():
    with pytest.raises(gr.Error, match="a sentence"), said():
        raise InputError("a sentence")
    with pytest.raises(KeyError), said():
        raise KeyError("/a/path")
