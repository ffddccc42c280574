"""The timeline: lines where the numbers are, gaps where no face is, the same in words, in the table and in the downloads."""

from __future__ import annotations

import json
import re

from poster.predict import Prediction
from space.expressions import COLOURS
from space.video_view import HEIGHT, LEFT, NO_FACE, WIDTH, Moment, drawing, rows, summary, timeline_html
from tests.space.test_answer_view import LABELS, Elements


def moment(seconds: float, *probabilities: float) -> Moment:
    face = Prediction((0.0, 0.0, 50.0, 50.0), None, LABELS, probabilities, 0.5) if probabilities else None
    return Moment(seconds, face)


MOMENTS = [moment(0.0, 1.0, 0.0, 0.0), moment(1.0, 0.4, 0.6, 0.0), moment(2.0), moment(3.0, 0.0, 1.0, 0.0), moment(4.0, 0.0, 0.98, 0.02)]


def points(svg: str, name: str) -> list[tuple[str, float, float]]:
    path = re.search(rf'd="([^"]*)" stroke="{COLOURS[name]}"', svg)[1]
    return [(pen, float(x), float(y)) for pen, x, y in re.findall(r"([ML])([\d.]+) ([\d.]+)h0", path)]


def test_lines_follow_the_numbers_and_leave_a_gap_without_a_face():
    found = points(drawing(MOMENTS), "happiness")
    assert [pen for pen, *_ in found] == ["M", "L", "M", "L"]
    xs, ys = [x for _, x, _ in found], [y for *_, y in found]
    assert xs[0] == LEFT and xs[-1] == WIDTH - 8 and round(xs[1] - xs[0]) == round((xs[-1] - xs[0]) / 4)
    low, high = ys[0], ys[2]
    assert low > high and abs((low - ys[1]) / (low - high) - 0.6) < 0.01 and low < HEIGHT
    assert COLOURS["sadness"] not in drawing(MOMENTS)  # never above 5 %


def test_the_strip_has_the_strongest_colour_and_ends_where_the_face_does():
    strip = re.findall(r'<rect x="([\d.]+)" [^>]*width="([\d.]+)"[^>]*fill="(#\w+)"', drawing(MOMENTS))
    assert [colour for *_, colour in strip] == [COLOURS["neutral"], *[COLOURS["happiness"]] * 3]
    assert abs(float(strip[0][0]) + float(strip[0][1]) - float(strip[1][0])) < 0.2


def test_words_table_and_downloads_agree():
    assert summary(MOMENTS) == "4.0 seconds, 5 pictures. Strongest: happiness in 60 %, neutral in 20 %, no face in 20 %."
    page = Elements(timeline_html(MOMENTS, "<b>model</b>"))
    data = json.loads(page.of("answer")[0]["data-answer"])
    assert data["pictures"] == 5 and data["faces"] == list(rows(MOMENTS)) and [row["seconds"] for row in data["faces"]] == [0.0, 1.0, 3.0, 4.0]
    assert data["faces"][1] == {"seconds": 1.0, "strongest": "happiness", "quality": 0.5, "neutral": 0.4, "happiness": 0.6, "sadness": 0.0}
    words = " ".join(page.words)
    assert "60 %" in words and "no face" in words and "<b>model</b>" in words and not [tag for tag, _ in page.found if tag == "b"]


def test_the_table_calls_nothing_certain_that_is_not():
    cells = Elements(timeline_html([moment(0.0, 0.001, 0.998, 0.001), moment(1.0, 0.1, 0.9, 0.0)], "model")).words
    assert "> 99 %" in cells and "< 1 %" in cells and "90 %" in cells and cells.count("100 %") == 1, "of the scale"


def test_a_video_without_a_face():
    assert NO_FACE in timeline_html([moment(0.0), moment(1.0)], "model")


def test_a_single_picture_is_a_timeline_too():
    assert "0.0 seconds, 1 pictures" in timeline_html([moment(0.0, 0.1, 0.9, 0.0)], "model")
