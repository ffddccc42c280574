"""A photo through a model: probabilities, places in the photo, the command."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from skimage.data import astronaut

import poster
from poster.__main__ import main
from poster.contract import ModelContract
from poster.errors import InputError
from poster.face import Face, crop_face, find_faces
from poster.labels import ORDERS
from poster.overlay import blend, draw_boxes, draw_landmarks
from poster.predict import Prediction, over_photo, predict, predict_many, whole_picture
from poster.preprocess import to_input
from poster.quality import problems, quality, sharpness
from poster.shipped import SHIPPED, model_path

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def model() -> torch.nn.Module:
    torch.manual_seed(0)
    network = poster.create_model("posterpp_nano", num_classes=8).eval()
    network.contract = ModelContract("posterpp_nano", ORDERS["ferplus"], input_size=48, channels="grey", temperature=2.0)
    return network


def test_probabilities_are_the_softmax_of_the_scaled_logits(model: torch.nn.Module) -> None:
    photo = astronaut()
    (face,) = find_faces(photo)
    (prediction,) = predict(model, photo, (face,))
    crop, _ = crop_face(photo, face, 0.0, 48)
    grey = np.asarray(Image.fromarray(crop).convert("L"), dtype=np.float32)
    mean, std = np.float32(model.contract.mean)[:, None, None], np.float32(model.contract.std)[:, None, None]
    x = torch.from_numpy((grey[None] / 255 - mean) / std)[None]
    expected = (model(x)[0].double() / 2.0).softmax(0).detach()
    assert prediction.probabilities == pytest.approx(expected.tolist(), abs=1e-6)
    assert sum(prediction.probabilities) == pytest.approx(1, abs=1e-9)
    assert prediction.labels == ORDERS["ferplus"]


def test_network_heatmap_and_landmarks_of_a_small_face_stay_on_one_thread(model: torch.nn.Module) -> None:
    seen: list[int] = []
    watching = torch.nn.modules.module.register_module_forward_pre_hook(lambda *_: seen.append(torch.get_num_threads()))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        predict(model, astronaut(), (Face((170.0, 70.0, 280.0, 190.0)),), ("integrated",), points=True)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
        watching.remove()
    assert set(seen) == {1}


def test_a_mark_on_the_crop_lands_where_the_crop_lies() -> None:
    face = Face((300.0, 100.0, 400.0, 220.0))
    photo = np.zeros((400, 600, 3), np.uint8)
    _, where = crop_face(photo, face, 0.1, 48)
    values = np.zeros((48, 48), np.float32)
    values[10, 30] = 1.0
    heat = over_photo((Prediction(face.box, None, ("neutral",), (1.0,), 1.0, {"features": values}, where),), "features", 600, 400)
    rows, columns = np.indices(heat.shape) + 0.5
    found = ((heat * columns).sum() / heat.sum(), (heat * rows).sum() / heat.sum())
    assert found == pytest.approx(where.to_photo(np.array([[30.5, 10.5]]))[0], abs=0.6)
    assert heat[:, :280].max() == 0.0


def test_heatmaps_stay_inside_the_crop_and_on_the_photo(model: torch.nn.Module) -> None:
    photo = astronaut()[:, 60:300]
    predictions = predict(model, photo, heatmaps=("features", "attention"))
    for source in ("features", "attention"):
        heat = over_photo(predictions, source, photo.shape[1], photo.shape[0])
        assert heat.shape == photo.shape[:2]
        assert heat.max() == pytest.approx(1, abs=0.2)
        assert heat[300:].max() == 0


def test_no_face_gives_nothing_and_the_whole_picture_can_be_asked_for(model: torch.nn.Module) -> None:
    black = np.zeros((200, 300, 3), np.uint8)
    assert predict(model, black) == ()
    (prediction,) = predict(model, black, (whole_picture(black),))
    assert prediction.box == (50.0, 0.0, 250.0, 200.0)


def test_quality_falls_with_size_and_blur() -> None:
    photo = astronaut()
    (face,) = find_faces(photo)
    crop, _ = crop_face(photo, face, 0.0, 48)
    blurred = np.asarray(Image.fromarray(crop).resize((8, 8)).resize((48, 48), Image.Resampling.BICUBIC))
    assert quality(crop, 200) > quality(crop, 30) > 0
    assert quality(crop, 200) > 2 * quality(blurred, 200)
    assert quality(np.zeros((48, 48, 3), np.uint8), 200) == 0


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "poster", "classify", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120)


def test_the_command_finds_happiness_in_the_astronaut(tmp_path: Path) -> None:
    photo, picture = tmp_path / "photo.jpg", tmp_path / "heat.png"
    Image.fromarray(astronaut()).save(photo, quality=92)
    done = run(str(photo), "--json", "--heatmap", str(picture))
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    (face,) = answer["faces"]
    assert answer["model"] == "posterpp_nano"
    assert answer["image"] == {"width": 512, "height": 512}
    assert max(face["probabilities"], key=face["probabilities"].get) == "happiness"
    assert sum(face["probabilities"].values()) == pytest.approx(1, abs=1e-6)
    x0, y0, x1, y1 = face["box"]
    assert 150 < x0 < x1 < 300
    assert 40 < y0 < y1 < 230
    with Image.open(picture) as drawn:
        assert drawn.size == (512, 512)


@pytest.mark.parametrize(("name", "content"), [("text.jpg", b"not a photo at all"), ("empty.png", b"")])
def test_what_is_no_photo_gets_one_sentence(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    done = run(str(tmp_path / name), "--json")
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"] == done.stderr.strip()
    assert "\n" not in done.stderr.strip()


def test_a_photo_without_a_face_is_an_answer(tmp_path: Path) -> None:
    Image.new("RGB", (320, 240)).save(tmp_path / "black.png")
    answer = json.loads(run(str(tmp_path / "black.png"), "--json").stdout)
    assert answer["faces"] == []
    assert "--whole" in answer["message"]
    assert len(json.loads(run(str(tmp_path / "black.png"), "--json", "--whole").stdout)["faces"]) == 1


def test_the_command_draws_the_source_level_and_expression_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo, picture = tmp_path / "photo.png", tmp_path / "heat.png"
    Image.fromarray(astronaut()).save(photo)
    command = ["classify", str(photo), "--heatmap", str(picture)]
    assert main([*command, "--source", "steering", "--level", "2", "--expression", "fear"]) == 0
    model = poster.load_model(model_path(SHIPPED))
    predictions = predict(model, astronaut(), heatmaps=("steering",), explain="fear", level=2, points=True)
    heat = over_photo(predictions, "steering", 512, 512)
    with Image.open(picture) as drawn:
        boxes = draw_boxes(blend(astronaut(), heat), [predictions[0].box])
        assert np.array_equal(np.asarray(drawn), draw_landmarks(boxes, [predictions[0].points]))
    capsys.readouterr()
    for option, value, known in (
        ("--source", "edges", "known are default, integrated"),
        ("--level", "3", "counted from 0"),
        ("--expression", "joy", "it knows neutral"),
    ):
        assert main([*command, option, value]) == 2
        said = capsys.readouterr()
        assert known in said.err and said.err.count("\n") == 1 and said.out == ""


def test_what_is_wrong_with_a_face_is_named() -> None:
    photo = astronaut()
    (face,) = find_faces(photo)
    crop, where = crop_face(photo, face, 0.0, 224)
    side = float(np.hypot(*where.affine[:, 0])) * where.size
    assert problems(crop, side, face) == ()
    blurred = crop_face(np.asarray(Image.fromarray(photo).filter(ImageFilter.GaussianBlur(4))), face, 0.0, 224)[0]
    assert problems(blurred, 30, replace(face, landmarks=None, sideways=True)) == ("small", "blurred", "turned")
    assert problems(blurred, 30, replace(face, doubtful=True))[-1] == "doubtful" and "doubtful" not in problems(blurred, 30, face)


@pytest.mark.parametrize(("nose", "turned"), [(50, False), (57, False), (68, True), (32, True)])
def test_a_nose_off_the_middle_is_a_turned_face(nose: float, turned: bool) -> None:
    landmarks = np.array([[30, 40], [70, 40], [nose, 60], [35, 80], [65, 80]], float)
    assert Face((0.0, 0.0, 100.0, 120.0), landmarks).is_turned is turned
    tilted = landmarks @ np.array([[0.8, 0.6], [-0.6, 0.8]])
    assert Face((0.0, 0.0, 100.0, 120.0), tilted).is_turned is turned


def test_sharpness_does_not_depend_on_the_models_input_size() -> None:
    (face,) = find_faces(astronaut())
    values = [sharpness(crop_face(astronaut(), face, 0.0, size)[0]) for size in (48, 112, 224)]
    assert max(values) < 1.25 * min(values)


def test_an_adaface_head_reads_quality_from_the_norm_of_the_embedding() -> None:
    network = poster.create_model("adaface_ir18", num_classes=7, head="adaface").eval()
    network.contract = ModelContract("adaface_ir18", ORDERS["raf-db"], input_size=112, head="adaface")
    face = Face((170.0, 65.0, 280.0, 190.0))
    crop, _ = crop_face(astronaut(), face, 0.0, 112)
    norm = float(network.forward_features(to_input(crop[None], network.contract)).detach().norm())
    for mean, expected in ((norm, 0.5), (norm - 2.0, 0.5 + 0.333 / 2 * 2), (norm + 9.0, 0.0)):
        network.head.batch_mean.fill_(mean)
        network.head.batch_std.fill_(1.0)
        (prediction,) = predict(network, astronaut(), (face,))
        assert prediction.measure == "embedding norm" and prediction.quality == pytest.approx(expected, abs=2e-3)


def test_photos_together_get_what_each_gets_alone(model: torch.nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("poster.predict.AT_ONCE", 2)
    faces = tuple(Face((170.0 + n, 65.0, 280.0, 190.0)) for n in range(3))
    photos = [(astronaut(), faces), (astronaut()[:, ::-1], ()), (astronaut()[:, ::-1], faces[:2])]
    together = predict_many(model, photos, ("features",))
    assert [len(one) for one in together] == [3, 0, 2]
    for (rgb, some), found in zip(photos, together, strict=True):
        for alone, one in zip(predict(model, rgb, some, ("features",)), found, strict=True):
            assert one.box == alone.box and one.probabilities == pytest.approx(alone.probabilities, abs=1e-6)
            np.testing.assert_allclose(one.heatmaps["features"], alone.heatmaps["features"], atol=1e-4)


def test_the_page_runs_the_model_as_the_setting_says(model: torch.nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    face = whole_picture(astronaut())
    shares = {}
    for runtime in ("eager", "bf16"):
        monkeypatch.setenv("FER_RUNTIME", runtime)
        shares[runtime] = np.array(predict(model, astronaut(), (face,))[0].probabilities)
    assert 0 < np.abs(shares["eager"] - shares["bf16"]).max() < 0.02  # really another precision, and near
    monkeypatch.setenv("FER_RUNTIME", "quick")
    with pytest.raises(InputError, match="FER_RUNTIME is 'quick'"):
        predict(model, astronaut(), (face,))
