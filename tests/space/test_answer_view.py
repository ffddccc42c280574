"""The HTML of an answer: complete, true to the numbers, and with no way in for foreign text."""

from __future__ import annotations

import base64
import html.parser
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from poster.overlay import colour, opacity
from poster.predict import Prediction
from space.answer_view import NO_FACE, WEAK, answer_html, answers_html, message_html
from space.engine import Answer, Heat
from space.expressions import COLOURS, MEANINGS

LABELS = ("neutral", "happiness", "sadness")


class Elements(html.parser.HTMLParser):
    """Every start tag as (tag, attributes), and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.words.append(data)

    def of(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for _, attributes in self.found if name in (attributes.get("class") or "").split()]


def face(probabilities=(0.2, 0.7, 0.1), box=(100.0, 40.0, 200.0, 140.0), quality=0.9) -> Prediction:
    return Prediction(box, None, LABELS, probabilities, quality)


def an_answer(*faces: Prediction, detector="dlib") -> Answer:
    photo = np.random.default_rng(0).integers(0, 255, (100, 200, 3), dtype=np.uint8)
    heat = np.zeros((100, 200), np.float32)
    heat[20:70, 50:100] = np.linspace(0, 1, 50)
    return Answer(photo, heat, faces, 400, 200, "a_model", Heat(), detector, 0.31)


def pixels(source: str) -> np.ndarray:
    """As a browser sees them: red, green, blue, opaqueness."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(source.split(",", 1)[1]))).convert("RGBA"))


def test_a_heatmap_that_is_missing_and_faces_that_were_left_out_are_said():
    whole = "".join(Elements(answer_html(replace(an_answer(face()), heat=None, heatmap=None, remark="No heatmap: <none>."))).words)
    assert "No heatmap: <none>." in whole and "heatmap:" not in whole.replace("No heatmap:", "") and "largest" not in whole
    assert "the 8 largest at most" in answer_html(an_answer(*[face()] * 8))


def test_boxes_and_bars_say_what_the_numbers_say():
    page = Elements(answer_html(an_answer(face(), face((0.5, 0.3, 0.2), (0.0, 0.0, 40.0, 40.0)))))
    first, second = page.of("box")
    assert first["style"] == f"left:25.00%;top:20.00%;width:25.00%;height:50.00%;--tint:{COLOURS['happiness']}"
    assert second["style"].startswith("left:0.00%;top:0.00%;width:10.00%;height:20.00%")
    styles = [one["style"] for one in page.of("fill")]
    assert styles[:3] == [f"width:{w}%;background:{COLOURS[n]}" for w, n in (("70.0", "happiness"), ("20.0", "neutral"), ("10.0", "sadness"))]
    assert next(one["title"] for tag, one in page.found if tag == "li") == MEANINGS["happiness"]
    text = " ".join(page.words)
    assert "1 happiness 70.0 %" in text and "faces found with dlib" in text and "0.3 s for 400 x 200 pixels" in text
    assert page.of("photo")[0]["alt"] == "The photo with 2 faces: face 1 happiness 70.0 %, face 2 neutral 50.0 %."


def test_the_heatmap_is_clear_where_nothing_was_read():
    heat = pixels(Elements(answer_html(an_answer(face()))).of("heat")[0]["src"])
    assert heat.shape == (100, 200, 4)
    assert heat[80:, :, 3].max() == 0 and heat[40, 95, 3] > 200 and heat[40, 60, 3] < heat[40, 90, 3]


def test_the_heatmap_has_the_scale_and_the_opaqueness_of_every_other_one():
    answer = an_answer(face())
    values = np.linspace(0, 1, 20_000).reshape(100, 200)
    seen = pixels(Elements(answer_html(replace(answer, heat=values.astype(np.float32)))).of("heat")[0]["src"]).astype(int)
    assert np.abs(seen[..., :3] - colour(values)).max() <= 2
    expected = 255 * opacity(values)
    assert np.abs(seen[..., 3] - expected)[values > 0.1].max() <= 2 and seen[..., 3][values < 0.0176].max() == 0


def test_the_downloads_hold_every_number():
    data = json.loads(Elements(answer_html(an_answer(face()))).of("answer")[0]["data-answer"])
    assert data["faces"] == [
        {"face": 1, "x0": 100.0, "y0": 40.0, "x1": 200.0, "y1": 140.0, "quality": 0.9, "problems": "", "happiness": 0.7, "neutral": 0.2, "sadness": 0.1}
    ]


def test_nearly_certain_is_not_called_certain_and_the_downloads_keep_the_number():
    text = answer_html(an_answer(face((0.000004, 0.999951, 0.000045))))
    page = Elements(text)
    assert page.words.count("> 99.9 %") == 2 and page.words.count("< 0.1 %") == 2 and "1 happiness > 99.9 %" in page.words and "100.0 %" not in text
    assert page.of("photo")[0]["alt"] == "The photo with 1 face: face 1 happiness > 99.9 %."
    assert page.of("face")[0]["aria-label"] == "Face 1: happiness > 99.9 %" and text.count("> 99.9") == text.count("< 0.1") == 0, "escaped"
    assert json.loads(page.of("answer")[0]["data-answer"])["faces"][0]["happiness"] == 0.999951


@pytest.mark.parametrize(
    ("quality", "problems", "said"),
    [
        (0.9, (), ""),
        (0.2, (), "The quality of this face is low: "),
        (0.9, ("turned",), "This face is turned aside: "),
        (0.2, ("small", "blurred", "turned"), "This face is small in the photo, blurred and turned aside: "),
        (0.9, ("blurred", "doubtful"), "This face is blurred and perhaps no face at all: "),
    ],
)
def test_a_doubtful_face_is_called_so_and_why(quality, problems, said):
    page = Elements(answer_html(an_answer(replace(face(quality=quality), problems=problems))))
    assert (f"{said}{WEAK}" in page.words) == bool(said) == bool(page.of("weak"))


def test_what_the_quality_was_read_from_is_said():
    for measure, words in (("picture", "size and sharpness"), ("embedding norm", "norm of its embedding")):
        assert words in " ".join(Elements(answer_html(an_answer(replace(face(), measure=measure)))).words)


def test_no_face():
    page = Elements(answer_html(an_answer()))
    assert NO_FACE in " ".join(page.words) and page.of("bars") == page.of("heat") == [] and len(page.of("photo")) == 1


def test_the_whole_picture_has_no_box():
    page = Elements(answer_html(an_answer(face(), detector="none")))
    assert page.of("box") == [] and "Whole picture" in " ".join(page.words) and "taken as one face" in " ".join(page.words)


def test_the_example_is_credited():
    assert "public domain" in answers_html([an_answer(face())], is_example=True) and "public domain" not in answers_html([an_answer(face())])


def test_two_models_side_by_side_are_named():
    page = Elements(answers_html([an_answer(face()), an_answer(face((0.9, 0.05, 0.05)))]))
    assert len(page.of("answer")) == 2 and page.words.count("a_model") == 2 and len(page.of("pair")) == 1


def test_without_a_heatmap_there_is_no_slider():
    plain = replace(an_answer(face()), heat=None, heatmap=None)
    page = Elements(answer_html(plain))
    assert page.of("heat") == page.of("opacity") == [] and "heatmap" not in " ".join(page.words) and len(page.of("box")) == 1


def test_landmarks_are_dots_in_the_photos_own_pixels():
    two = [replace(face(), points=np.full((68, 2), 50.0) + np.arange(68)[:, None] * [2 * n, n]) for n in (1, 0.5)]
    answer = an_answer(*two)
    page = Elements(answer_html(answer))
    (svg,) = page.of("points")
    assert svg["viewbox"] == "0 0 400 200" and svg["aria-hidden"] == "true"
    paths = [one for tag, one in page.found if tag == "path"]
    for one, (rim, dots) in zip(two, (paths[:2], paths[2:]), strict=True):
        assert rim["d"] == dots["d"] and float(rim["stroke-width"]) > float(dots["stroke-width"]) and dots["stroke"] == "#fff"
        places = [[float(n) for n in place.removesuffix("h.01").split()] for place in dots["d"].split("M")[1:]]
        np.testing.assert_allclose(places, one.points, atol=0.06)
    (tick,) = page.of("landmarks")
    assert tick["type"] == "checkbox" and "checked" not in tick and " Landmarks" in page.words
    data = json.loads(page.of("answer")[0]["data-answer"])
    np.testing.assert_allclose(data["landmarks"], [one.points for one in two], atol=0.06)
    assert not any("landmarks" in one for one in data["faces"])


def test_without_landmarks_there_is_nothing_to_tick():
    page = Elements(answer_html(an_answer(face())))
    assert page.of("points") == page.of("landmarks") == [] and "landmarks" not in json.loads(page.of("answer")[0]["data-answer"])


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "<b>&amp;"])
def test_a_sentence_stays_text(text):
    page = Elements(message_html(text))
    assert [tag for tag, _ in page.found] == ["p"] and "".join(page.words) == text
