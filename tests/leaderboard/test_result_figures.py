"""Figures of results: the numbers drawn are those of the record, several models keep apart, what is missing is not drawn."""

import numpy as np
import pytest
from sklearn.metrics import recall_score

from leaderboard.record import Record
from leaderboard.result_figures import HAS, MODELS, result_figure
from poster.labels import EXPRESSIONS
from tests.leaderboard.test_board import LABELS, result
from tests.leaderboard.test_evidence import BLOCKS, RELIABILITY
from tests.leaderboard.test_figures import contrast

COLOURS = {label: f"#0000{place:02x}" for place, label in enumerate(EXPRESSIONS)}


def record(id="one", **changes):
    return Record.from_dict(result(reliability=RELIABILITY, analyses=BLOCKS, **changes), id=id, model=f"model {id}")


@pytest.mark.parametrize("count", [1, 2, 4, 6])
@pytest.mark.parametrize("name", list(HAS))
def test_every_figure_of_one_to_four_models_has_a_height_and_names_them(name, count):
    records = [record(str(place)) for place in range(count)]
    figure = result_figure(name, records, COLOURS)
    assert figure.layout.height >= 300 and figure.layout.paper_bgcolor == "rgba(0,0,0,0)" and len(figure.data) >= min(count, 4) - (name == "problems")
    if count > 1:
        text = figure.to_json()
        assert all((f"model {place}" in text) == (place < 4) for place in range(count)), "four at most"


@pytest.mark.parametrize("name", ["reliability", "robustness", "resolution", "quality", "problems", "centroids"])
def test_what_was_not_measured_is_not_drawn(name):
    bare = Record.from_dict(result(), id="bare", model="bare")
    assert result_figure(name, [bare], COLOURS) is None
    assert "bare" not in result_figure(name, [bare, record()], COLOURS).to_json()


def test_recall_is_scikit_learns_in_the_expressions_colours():
    one = record()
    matrix = np.array(one.confusion)
    truth, guess = (np.repeat(index.ravel(), matrix.ravel()) for index in np.indices(matrix.shape))
    (bars,) = result_figure("classes", [one], COLOURS).data
    assert list(bars.y) == pytest.approx(100 * recall_score(truth, guess, average=None)) and list(bars.x) == LABELS
    assert list(bars.marker.color) == [COLOURS[label] for label in LABELS]
    assert all(low > 0 and high > 0 for low, high in zip(bars.error_y.arrayminus, bars.error_y.array, strict=True))


def test_confusion_shows_the_counts():
    one = record()
    heat, *words = result_figure("confusion", [one], COLOURS).data
    assert np.array_equal(np.array(heat.text, dtype=int), one.confusion)
    assert sorted(int(text) for trace in words for text in trace.text) == sorted(np.ravel(one.confusion)) and np.array(heat.z).sum(axis=1) == pytest.approx(
        np.ones(8)
    )


def test_the_curves_start_with_the_clean_pictures():
    (curve,) = result_figure("robustness", [record()], COLOURS).data
    assert list(curve.x) == [0, 1] and list(curve.y) == [80, 80] and curve.name == "blur"


def test_the_three_problems_are_the_numbers_of_the_result():
    figure = result_figure("problems", [record()], COLOURS)
    assert [list(trace.x) for trace in figure.data] == [[0.2], [0], [0.7]]
    assert [list(trace.text) for trace in figure.data] == [["0.200"], ["not measured"], ["0.700"]]


@pytest.mark.parametrize("background", ["#ffffff", "#121211"])
def test_models_are_told_apart_on_both_backgrounds_and_without_colour(background):
    assert all(contrast(colour, background) >= 3 for colour, _, _ in MODELS)
    assert len({symbol for _, symbol, _ in MODELS}) == len({dash for _, _, dash in MODELS}) == len(MODELS)
