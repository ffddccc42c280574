"""What the pages ask of the models, on a real photo with real parts."""

from __future__ import annotations

import io
import threading

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from poster import attention
from poster.checkpoint import load_model
from poster.contract import ModelContract
from poster.errors import InputError, PhotoError
from poster.face import Face, find_faces, looks
from poster.labels import ORDERS
from poster.landmarks import face_points
from poster.models import create_model
from poster.photo import read_photo
from poster.predict import over_photo, predict
from space.engine import MODELS_KEPT, OWN_KEPT, SHOWN_SIDE, SOURCES, Engine, Heat
from space.own_model import own_html
from space.uploads import example


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    return buffer.getvalue()


def test_the_page_offers_what_can_be_drawn():
    """Said twice, since the page is there before torch is."""
    assert tuple(SOURCES) == attention.SOURCES and Heat().source == attention.DEFAULT


@pytest.mark.parametrize("source", ["integrated", "features", "attention"])
def test_the_same_as_predict(engine, weights, source):
    rgb = read_photo(example())
    expected = predict(load_model(weights), rgb, heatmaps=(source,))
    answer = engine.answer(example(), heatmap=Heat(source))
    assert [one.box for one in answer.predictions] == [one.box for one in expected]
    np.testing.assert_allclose(answer.predictions[0].probabilities, expected[0].probabilities, atol=1e-6)
    np.testing.assert_allclose(answer.heat, over_photo(expected, source, 512, 512), atol=1e-6)
    assert answer.detector == expected_detector() and (answer.width, answer.height, answer.model) == (512, 512, "random_nano") and answer.seconds > 0


def expected_detector() -> str:
    from poster.face import detector_name

    return detector_name()


def test_a_large_photo_comes_back_reduced_with_its_heatmap_in_place(engine):
    rgb = read_photo(example())
    small, large = (engine.answer(png(photo), heatmap=Heat()) for photo in (rgb, np.kron(rgb, np.ones((4, 4, 1), np.uint8))))
    assert max(large.photo.shape) == SHOWN_SIDE == large.heat.shape[0] and (large.width, large.height) == (2048, 2048)
    np.testing.assert_allclose(np.array(large.predictions[0].box) / 4, small.predictions[0].box, atol=12)
    centre = [np.average(np.indices(one.heat.shape).reshape(2, -1), axis=1, weights=one.heat.ravel()) / len(one.heat) for one in (small, large)]
    np.testing.assert_allclose(*centre, atol=0.03)


def test_a_heatmap_for_an_expression_and_a_level_of_choice(engine, weights):
    rgb = read_photo(example())
    answer = engine.answer(example(), heatmap=Heat("features", "coarse", "contempt"))
    expected = predict(load_model(weights), rgb, heatmaps=("features",), explain="contempt", level=2)
    np.testing.assert_allclose(answer.heat, over_photo(expected, "features", 512, 512), atol=1e-6)
    usual = engine.answer(example(), heatmap=Heat("features"))
    assert np.abs(answer.heat - usual.heat).max() > 0.1
    assert answer.predictions[0].probabilities == usual.predictions[0].probabilities
    assert engine.answer(example()).heat is None


def test_still_photos_get_landmarks_the_webcam_and_programs_none(engine):
    found = engine.answers(example(), ("", "random_nano"))
    points = found[0].predictions[0].points
    assert points.shape == (68, 2) and np.array_equal(points, found[1].predictions[0].points)
    rgb = read_photo(example())
    np.testing.assert_allclose(points, face_points(rgb, find_faces(rgb))[0], atol=1e-6)
    assert engine.answer(example()).predictions[0].points is None and engine.look(rgb)[0].points is None


def test_no_face_and_the_whole_picture(engine):
    grey = png(np.full((120, 200, 3), 128, np.uint8))
    assert engine.answer(grey).predictions == ()
    (whole,) = (answer := engine.answer(grey, whole=True)).predictions
    assert whole.box == (40, 0, 160, 120) and answer.detector == "none"


@pytest.mark.parametrize("model", ["../../etc/passwd", "/tmp/x.safetensors", "posterpp", "random_nano.safetensors", "\0"])
def test_a_visitors_word_never_becomes_a_path(engine, model):
    with pytest.raises(InputError, match="There is no model of that name here; there are random_nano"):
        engine.answer(example(), model=model)


def test_words_that_are_no_heatmap_and_files_that_are_no_photo(engine):
    for wrong, known in (({"source": "gradients"}, "integrated, features"), ({"level": "7"}, "fine, middle, coarse"), ({"label": "joy"}, "neutral, happiness")):
        with pytest.raises(InputError, match=known):
            Heat(**wrong)
    with pytest.raises(PhotoError, match="not a JPEG"):
        engine.answer(b"text")


def test_two_at_once_get_their_own_answers(weights):
    fresh = Engine(str(weights))
    photos = [example(), png(np.ascontiguousarray(read_photo(example())[:, ::-1]))]
    alone = [fresh.answer(photo, heatmap=Heat()).heat for photo in photos]
    found: dict[int, list[np.ndarray]] = {0: [], 1: []}
    threads = [threading.Thread(target=lambda n=n: found[n].extend(fresh.answer(photos[n], heatmap=Heat()).heat for _ in range(3))) for n in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in (0, 1):
        assert len(found[number]) == 3
        for heat in found[number]:
            np.testing.assert_allclose(heat, alone[number], atol=1e-4)  # in one batch the sums are ordered differently


def test_evaluated_models_are_offered_while_their_file_is_there(weights, tmp_path):
    other = tmp_path / "0123.safetensors"
    several = Engine(str(weights), lambda: {"theirs": other})
    with pytest.raises(InputError, match="no model of that name"):
        several.load("theirs")
    other.write_bytes(weights.read_bytes())
    assert "theirs" in several.names and several.answer(example(), "theirs").model == "theirs"


def test_the_default_model_is_the_operators_and_is_asked_without_a_look_at_the_submissions(weights, tmp_path):
    asked = []
    page = Engine(str(weights), lambda: asked.append(1) or {weights.stem: tmp_path / "theirs.safetensors"})
    (tmp_path / "theirs.safetensors").write_bytes(b"not the default")
    answer = page.answer(example())
    assert answer.model == weights.stem == page.first and not asked
    assert page.names[0] == page.first and page.names.count(page.first) == 1 and asked


def test_only_so_many_models_stay_in_memory(weights, tmp_path):
    files = {}
    for number in range(MODELS_KEPT + 1):
        files[f"m{number}"] = tmp_path / f"{number}.safetensors"
        files[f"m{number}"].write_bytes(weights.read_bytes())
    several = Engine(str(weights), lambda: files)
    loaded = [several.load(name) for name in files]
    assert several.load("m1") is loaded[1] and several.load("m0") is not loaded[0]


def test_the_model_is_loaded_once(weights, monkeypatch):
    fresh, loads = Engine(str(weights)), []
    import poster.checkpoint

    monkeypatch.setattr(poster.checkpoint, "load_model", lambda path: loads.append(path) or load_model(path))
    threads = [threading.Thread(target=fresh.load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loads == [weights]


def test_a_model_of_ones_own_is_asked_by_a_name_nobody_else_knows(weights, tmp_path):
    page = Engine(str(weights))
    file = tmp_path / "<i>mine.safetensors"
    file.write_bytes(weights.read_bytes())
    name, own = page.adopt(file)
    assert name not in page.names and page.title(name) == "<i>mine (yours)" and own.doubts == () and "<i>" not in own_html(own)
    answer = page.answer(example(), name)
    assert answer.model == "<i>mine (yours)" and answer.predictions[0].probabilities == page.answer(example()).predictions[0].probabilities
    with pytest.raises(InputError, match="no longer in memory"):
        page.load("own:" + 32 * "0")
    for _ in range(OWN_KEPT):
        page.adopt(file)
    with pytest.raises(InputError, match="no longer in memory"):
        page.answer(example(), name)


def test_a_file_that_is_no_model_of_ones_own(tmp_path):
    (tmp_path / "a.pth").write_bytes(b"text")
    with pytest.raises(InputError):
        Engine("posterpp_nano").adopt(tmp_path / "a.pth")


def test_a_model_that_cannot_draw_a_heatmap_answers_without_one_beside_the_other(weights, tmp_path, monkeypatch):
    """AdaFace has neither contempt among its labels here nor an attention over places."""
    torch.manual_seed(0)
    network, other = create_model("adaface_ir18", num_classes=7), tmp_path / "other.safetensors"
    save_file(network.state_dict(), other, ModelContract("adaface_ir18", ORDERS["raf-db"], input_size=112).to_metadata())
    both = Engine(str(weights), lambda: {"theirs": other})
    for heat, words in (
        (Heat("integrated", "", "contempt"), "does not know contempt; it knows surprise"),
        (Heat("attention"), "choose “What raises the answer"),
    ):
        first, second = both.answers(example(), ("", "theirs"), heat, points=False)
        assert first.heat is not None and first.remark == "" and first.heatmap == heat
        assert second.heat is None and second.heatmap is None and words in second.remark and len(second.predictions) == len(first.predictions) == 1
    monkeypatch.setattr(attention, "relevance", lambda model, images, *_: [torch.rand(len(images), 7, 7)])  # one level, as POSTER's attention has
    said = both.answer(example(), heatmap=Heat("attention", "coarse"))
    assert said.heat is None and "no coarse level" in said.remark and both.answer(example(), heatmap=Heat("attention")).heat is not None


def test_two_models_and_a_second_look_look_for_the_faces_once(weights, tmp_path, monkeypatch):
    other = tmp_path / "other.safetensors"
    other.write_bytes(weights.read_bytes())
    both, searched = Engine(str(weights), lambda: {"theirs": other}), []
    monkeypatch.setattr("space.engine.looks", lambda rgb: searched.append(1) or looks(rgb))
    first, second = both.answers(example(), ("", "theirs"), Heat("features"))
    assert searched == [1] and (first.model, second.model) == ("random_nano", "theirs")
    np.testing.assert_allclose(first.heat, second.heat, atol=1e-6)
    known = []
    again = [both.answers(example(), ("",), None, known=known)[0] for _ in range(2)]
    assert searched == [1, 1] and again[0].predictions == again[1].predictions == first.predictions != ()
    (whole,) = both.answers(example(), ("",), None, whole=True, known=known)
    assert len(searched) == 2 and whole.predictions[0].box == (0, 0, 512, 512), "other faces than the known ones"


def test_finer_looks_go_on_while_the_model_is_at_the_faces_of_the_first(engine, monkeypatch):
    """Nine faces: the second look's come only once the model has been asked; what is left are the eight largest, each with its own answer."""
    rgb = read_photo(example())
    (astronauts,) = find_faces(rgb)
    large, small = ([Face((x, 300.0, x + side + x / 80, 300.0 + side)) for x in range(320, -1, -80)] for side in (70, 40))  # largest first
    asked = threading.Event()

    def in_turn(_):
        yield (astronauts, *large[2:])
        assert asked.wait(60), "the model waited for the search"
        yield (*small, *large[:2])

    gathered = engine._gather

    def gather(key, item):
        result = gathered(key, item)
        asked.set()
        return result

    monkeypatch.setattr("space.engine.looks", in_turn)
    monkeypatch.setattr(engine, "_gather", gather)
    known = []
    (answer,) = engine.answers(example(), ("",), Heat("features"), known=known)
    boxes = [one.box for one in answer.predictions]
    assert boxes == [one.box for one in (astronauts, *large, *small[:2])] == [one.box for one in known[0]]
    alone = predict(engine.load(), rgb, (astronauts, *large, *small[:2]), ("features",))
    for one, expected in zip(answer.predictions, alone, strict=True):
        np.testing.assert_allclose(one.probabilities, expected.probabilities, atol=1e-6)
    np.testing.assert_allclose(answer.heat, over_photo(alone, "features", 512, 512), atol=1e-5)
    assert engine.answers(example(), ("",), None, known=known)[0].predictions == tuple(alone)


def test_without_a_heatmap_and_without_a_face_the_search_is_finished_first(engine, monkeypatch):
    (astronauts,) = find_faces(read_photo(example()))
    for heatmap, first in ((None, (astronauts,)), (Heat(), ())):
        monkeypatch.setattr("space.engine.looks", lambda _, first=first: iter((first, (Face((0.0, 0.0, 300.0, 300.0)),))))
        asked = []
        gathered = engine._gather
        monkeypatch.setattr(engine, "_gather", lambda key, item, gathered=gathered, asked=asked: asked.append(item[1]) or gathered(key, item))
        found = [one.box for one in engine.answer(example(), heatmap=heatmap).predictions]
        monkeypatch.setattr(engine, "_gather", gathered)
        assert found == [(0.0, 0.0, 300.0, 300.0), *(one.box for one in first)] and len(asked) == 1
