"""The landmark lesson: it learns, it goes on from what it is given, and the command writes a file the page can read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from poster.__main__ import main
from poster.backbones import MobileFaceNet
from poster.data import ferplus
from poster.errors import InputError
from poster.landmarks import read
from poster.official import official_names
from poster.preprocess import normalise
from poster.shipped import SHIPPED, model_path
from poster.training.landmarks import learn_landmarks, load_teacher, mean_distance, shipped_stream, stream_weights, teacher_points
from poster.training.recipes import NANO_CONTRACT, RECIPES
from poster.training.start import build

RECIPE = RECIPES["posterpp_nano"].override(["batch_size=16", "landmark_epochs=8", "augmentation.erase=0"])


def spots(count: int) -> tuple[np.ndarray, torch.Tensor]:
    """Grey pictures of one bright spot, and where it is: all 68 points lie on it, so that a mirror changes nothing else."""
    places = np.random.default_rng(0).uniform(0.25, 0.75, (count, 1, 1, 2))
    at = (np.indices((48, 48))[::-1].transpose(1, 2, 0) + 0.5) / 48
    images = (255 * np.exp(-((at - places) ** 2).sum(axis=-1) / 0.01)).astype(np.uint8)
    return images, torch.from_numpy(places[:, 0]).float().expand(-1, 68, -1)


def test_it_learns_the_points():
    torch.manual_seed(0)
    images, points = spots(128)
    student = learn_landmarks(images, points, NANO_CONTRACT, RECIPE, 0.125)
    mean_place = float((points - points.mean(dim=0)).norm(dim=2).mean())
    assert mean_distance(student, images, points, NANO_CONTRACT) < 0.7 * mean_place and not student.training


def test_the_distance_is_what_numpy_says():
    torch.manual_seed(0)
    student = MobileFaceNet(48, 0.125, landmark_head=True).eval()
    images, points = spots(70)
    found = student.landmarks(normalise(torch.from_numpy(images), NANO_CONTRACT)).detach().numpy()
    expected = np.hypot(*(found - points.numpy()).transpose(2, 0, 1)).mean()
    assert mean_distance(student, images, points, NANO_CONTRACT) == pytest.approx(expected, rel=1e-5)


def test_the_stream_given_is_where_it_begins():
    torch.manual_seed(0)
    images, points = spots(16)
    given = stream_weights(MobileFaceNet(48, 0.125, landmark_head=True))
    student = learn_landmarks(images, points, NANO_CONTRACT, RECIPE.override(["landmark_epochs=1", "landmark_lr=0"]), 0.125, given)
    assert all(torch.equal(value, student.get_parameter(key)) for key, value in given.items() if key.endswith(("weight", "bias")))
    assert not any("landmark_head" in key for key in given)


@pytest.mark.parametrize("setting", ["batch_size=17", "landmark_epochs=0"])
def test_nothing_to_learn_is_said(setting: str):
    with pytest.raises(InputError, match="teach nothing"):
        learn_landmarks(*spots(16), NANO_CONTRACT, RECIPE.override([setting]), 0.125)


def test_the_shipped_stream_is_that_of_the_shipped_model():
    import poster

    stream = poster.load_model(model_path(SHIPPED)).landmark_stream.state_dict()
    assert stream.keys() == shipped_stream().keys() and all(torch.equal(value, stream[key]) for key, value in shipped_stream().items())


@pytest.fixture
def teacher(tmp_path: Path) -> Path:
    """A random network in the file its authors would have saved."""
    torch.manual_seed(3)
    network = MobileFaceNet(112, landmark_head=True)
    torch.nn.init.uniform_(network.landmark_head.bn.bias, 0.2, 0.8)
    ours = {f"landmark_stream.{key}": value for key, value in network.state_dict().items()}
    names = official_names("poster_large", {key: key for key in ours})
    torch.save({"state_dict": {name.removeprefix("face_landback."): ours[key] for key, name in names.items()}}, tmp_path / "teacher.pth")
    return tmp_path / "teacher.pth"


def test_a_run_takes_over_what_its_stream_learned(teacher: Path):
    recipe = RECIPE.override(["landmark_epochs=1", "seed=5"])
    images, _ = spots(16)
    taught, untaught = (build(recipe, images, file, None).landmark_stream.state_dict() for file in (teacher, None))
    torch.manual_seed(5)
    import poster

    random = poster.create_model("posterpp_nano", num_classes=8).landmark_stream.state_dict()
    key = "stem.bn.running_mean"
    assert not torch.equal(taught[key], random[key]) and torch.equal(untaught[key], shipped_stream()[key]) and not torch.equal(taught[key], untaught[key])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """FERPlus in small: 16 training pictures, 4 of PublicTest."""
    parts = ["Training"] * 16 + ["PublicTest"] * 4
    monkeypatch.setattr(ferplus, "ROWS", len(parts))
    images, _ = spots(len(parts))
    (tmp_path / "data").mkdir()
    lines = [f"0,{' '.join(map(str, image.ravel()))},{part}" for image, part in zip(images, parts, strict=True)]
    (tmp_path / "data" / "fer2013.csv").write_text("emotion,pixels,Usage\n" + "\n".join(lines))
    votes = [f"{part},fer{number}.png,0,9,0,0,0,0,0,0,1,0" for number, part in enumerate(parts)]
    (tmp_path / "data" / "fer2013new.csv").write_text("\n".join(["Usage,Image name," + ",".join(ferplus.VOTE_COLUMNS), *votes]))
    return tmp_path / "data"


def test_the_command_writes_what_the_page_reads(folder: Path, teacher: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "points.safetensors"
    settings = ("--set", "landmark_epochs=1", "--set", "batch_size=16", "--set", "landmark_pictures=16")
    assert main(["landmarks", "--data", str(folder), "--teacher", str(teacher), "--out", str(out), "--json", *settings]) == 0
    answer = json.loads(capsys.readouterr().out)
    network, contract = read(out)
    images = ferplus.read_ferplus(folder).images[16:]
    error = mean_distance(network, images, teacher_points(load_teacher(teacher), images), contract)
    assert (answer["pictures"], answer["held_out"]["pictures"], answer["held_out"]["split"]) == (16, 4, "PublicTest")
    assert answer["held_out"]["mean_distance"] == pytest.approx(error, abs=1e-5)
    with safe_open(out, framework="np") as file:
        assert json.loads(file.metadata()["held_out"]) == answer["held_out"] and file.metadata()["scale"] == "0.5"
        assert {str(file.get_tensor(key).dtype) for key in file.keys()} == {"float16", "int64"}  # noqa: SIM118
    assert (contract.input_size, contract.crop, contract.channels, contract.licence) == (48, -0.02, "grey", "research only (FER2013 pictures)")
    assert [path.name for path in tmp_path.glob("points*")] == ["points.safetensors"]


def test_what_the_command_cannot_use_is_one_sentence(folder: Path, teacher: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    usual = {"--data": folder, "--teacher": teacher, "--out": tmp_path / "a.safetensors"}
    for option, value, said in (
        ("--out", tmp_path / "a.pth", "must end in .safetensors"),
        ("--teacher", tmp_path / "none", "no landmark teacher"),
        ("--data", tmp_path, "holds no"),
    ):
        assert main(["landmarks", *(str(word) for pair in {**usual, option: value}.items() for word in pair)]) == 2
        error = capsys.readouterr().err
        assert said in error and "Traceback" not in error
