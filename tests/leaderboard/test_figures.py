"""The figure: every row once, intervals as measured, height set, readable on white and on near-black."""

import json

import pytest

from leaderboard.board import load_board, make_board
from leaderboard.claims import load_claims
from leaderboard.figures import MARKS, TEXT, accuracy_figure
from leaderboard.record import Record
from tests.leaderboard.test_board import result


def contrast(one, other):
    """The contrast ratio of WCAG 2.1 between two #rrggbb colours."""

    def luminance(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("benchmark", load_board().benchmarks)
def test_every_row_stands_in_the_figure_with_its_interval(benchmark):
    board = load_board()
    figure = accuracy_figure(board, benchmark)
    points = {}
    for trace in figure.data:
        for x, y, plus, minus in zip(trace.x, trace.y, trace.error_x.array, trace.error_x.arrayminus, strict=True):
            points[y] = (x, x - minus, x + plus)
    rows = board.of(benchmark)
    assert sorted(point[0] for point in points.values()) == sorted(row.accuracy for row in rows)
    for row in rows:
        low, high = row.interval or (row.accuracy, row.accuracy)
        assert any(point == pytest.approx((row.accuracy, low, high)) for point in points.values())
    assert figure.layout.height >= 26 * len(rows)
    assert list(figure.layout.yaxis.categoryarray)[-1] == rows[0].model, "the best row is on top"


def test_measured_claimed_and_disputed_differ_in_colour_and_in_shape():
    record = Record.from_dict(result(), id="one", model="ours")
    figure = accuracy_figure(make_board(load_claims(), [record]), "ferplus")
    assert {trace.name for trace in figure.data} == {"measured", "claimed", "disputed"}
    assert len({trace.marker.symbol for trace in figure.data}) == len({trace.marker.color for trace in figure.data}) == 3
    assert json.loads(figure.to_json())["layout"]["paper_bgcolor"] == "rgba(0,0,0,0)"


@pytest.mark.parametrize("background", ["#ffffff", "#0b0f19"])
def test_marks_and_text_are_seen_in_light_and_dark(background):
    assert all(contrast(mark["color"], background) >= 3 for mark in MARKS.values())
    assert contrast(TEXT, background) >= 4


def test_two_results_of_one_model_stand_on_two_lines():
    records = [Record.from_dict(result(), id=id, model="ours") for id in ("one", "two")]
    figure = accuracy_figure(make_board((), records), "ferplus")
    assert len(set(figure.data[0].y)) == 2


def test_an_unknown_benchmark_is_named():
    with pytest.raises(ValueError, match="no row of 'mnist'"):
        accuracy_figure(load_board(), "mnist")


def test_the_axis_of_accuracies_is_said_and_holds_every_interval() -> None:
    """With names inside the frame and no range said, plotly was seen to look for one for ever, and the page hung."""
    board = load_board()
    for benchmark in {row.benchmark for row in board.rows}:
        low, high = accuracy_figure(board, benchmark).layout.xaxis.range
        ends = [end for row in board.of(benchmark) for end in (row.interval or (row.accuracy, row.accuracy))]
        assert low < min(ends) and max(ends) < high < low + 1.2 * (max(ends) - min(ends)) + 3


def test_a_number_is_named_as_finely_as_it_is_known():
    """A published one as published, one measured here to a tenth of a point."""
    board = load_board()
    said = " ".join(text for trace in accuracy_figure(board, "ferplus").data for text in trace.text)
    for row in board.of("ferplus"):
        assert f"<b>{row.model}</b><br>{row.accuracy:.{1 if row.status == 'measured' else 2}f} % [" in said
