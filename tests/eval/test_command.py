"""The commands on a real checkpoint file: JSON, exit codes, one sentence for whatever is wrong."""

import hashlib
import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import poster
from eval.__main__ import main
from poster.contract import ModelContract
from poster.labels import ORDERS
from tests.poster.data import layouts


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """An untrained posterpp_nano in the project's own file format."""
    torch.manual_seed(0)
    model = poster.create_model("posterpp_nano", num_classes=8)
    path = tmp_path_factory.mktemp("weights") / "nano.safetensors"
    save_file(model.state_dict(), path, metadata=ModelContract("posterpp_nano", ORDERS["ferplus"], input_size=48).to_metadata())
    return path


def call(capsys, *arguments) -> tuple[int, dict]:
    code = main([*map(str, arguments), "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_score_rescore_compare_report(weights, tmp_path, capsys):
    out = tmp_path / "a.json"
    code, answer = call(capsys, "score", weights, "--benchmark", "sketch", "--out", out, "--batch-size", 64, "--report", tmp_path / "a.html")
    assert code == 0
    assert (answer["benchmark"], answer["protocol"], answer["num_images"]) == ("sketch", "self-test", 256)
    assert answer["predictions"] == str(tmp_path / "a.parquet")
    assert (tmp_path / "a.html").stat().st_size > 3_000_000
    assert answer["weights_sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    code, again = call(capsys, "rescore", out)
    assert code == 0
    assert {name: again[name] for name in ("scores", "intervals", "confusion")} == {name: answer[name] for name in ("scores", "intervals", "confusion")}
    for suffix in (".json", ".parquet"):
        shutil.copy(out.with_suffix(suffix), tmp_path / f"b{suffix}")
    fields = json.loads((tmp_path / "b.json").read_text())
    (tmp_path / "b.json").write_text(json.dumps(fields | {"predictions": "b.parquet"}))
    code, comparison = call(capsys, "compare", out, tmp_path / "b.json")
    assert code == 0
    assert "exactly the same images" in comparison["verdict"]
    assert call(capsys, "rank", out, tmp_path / "b.json")[1]["rows"][1]["rank"] == 1
    assert call(capsys, "report", out, tmp_path / "c.html")[0] == 0
    for arguments in (["rescore", out], ["compare", out, tmp_path / "b.json"], ["rank", out]):
        assert main([*map(str, arguments)]) == 0
        assert "accuracy" in capsys.readouterr().out or arguments[0] == "compare"


def test_a_folder_of_ones_own(weights, tmp_path, capsys):
    layouts.class_folders(tmp_path / "faces", ORDERS["caer-s"])
    code, answer = call(capsys, "score", weights, "--benchmark", "folder", "--data", tmp_path / "faces", "--out", tmp_path / "f.json")
    assert code == 0
    assert answer["labels"] == list(ORDERS["caer-s"])
    assert "renormalised over the shared classes" in " ".join(answer["warnings"])


def test_benchmarks(capsys, tmp_path):
    code, answer = call(capsys, "benchmarks")
    assert code == 0
    assert {"raf-db", "ferplus", "affectnet-7", "affectnet-8", "caer-s", "aihub-korean", "sketch", "raf-db-lower"} <= {
        row["name"] for row in answer["benchmarks"]
    }
    assert main(["benchmarks"]) == 0
    text = capsys.readouterr().out
    assert "whdeng.cn" in text
    assert "list_patition_label.txt" in text


def cut(folder):
    path = next((folder / "test" / "anger").iterdir())
    path.write_bytes(path.read_bytes()[:200])


def double(folder):
    shutil.copy(folder / "test" / "fear" / "0.png", folder / "test" / "fear" / "9.png")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (cut, "anger/0.png|0.png cannot be read"),
        (double, "fear/9.png is the same picture"),
        (lambda folder: layouts.face(folder / "test" / "bored" / "0.png", "fear", 5), "'bored' is no expression"),
        (shutil.rmtree, "does not exist"),
        (lambda folder: shutil.rmtree(folder / "test" / "fear"), "none of the layouts"),
    ],
)
def test_broken_folders_end_with_2_and_one_sentence(weights, tmp_path, capsys, damage, words):
    folder = layouts.class_folders(tmp_path / "faces", ("anger", "fear"))
    damage(folder)
    code = main(["score", str(weights), "--benchmark", "folder", "--data", str(folder), "--out", str(tmp_path / "f.json"), "--json"])
    captured = capsys.readouterr()
    sentence = json.loads(captured.out)["error"]
    assert code == 2
    assert any(word in sentence for word in words.split("|"))
    assert sentence in captured.err
    assert "Traceback" not in captured.err
    assert not (tmp_path / "f.json").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["score"], "required: WEIGHTS, --benchmark"),
        (["score", "nothing.pth", "--benchmark", "sketch"], "cannot be read"),
        (["score", "nothing.pth", "--benchmark", "raf"], "no benchmark 'raf'"),
        (["score", "nothing.pth", "--benchmark", "sketch", "--protocol", "x"], "no protocol 'x'"),
        (["score", "nothing.pth", "--benchmark", "sketch", "--out", "x.txt"], "must end in .json"),
        (["score", "nothing.pth", "--benchmark", "sketch", "--analyses", "x", "--out", "x.json"], "'x' is not one of"),
        (["compare", "a.json"], "required: B.json"),
        (["nonsense"], "invalid choice"),
        (["benchmarks", "--data", "/nowhere"], "does not exist"),
        (["rescore", "a.json"], "no result file"),
        (["verify", "a.pth", "b.bin"], "cannot be read"),
        (["crop", "/nowhere", "out"], "does not exist"),
    ],
)
def test_wrong_calls(tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    code, answer = call(capsys, *arguments)
    assert code == 2
    assert words in answer["error"]


def test_a_text_file_as_weights(tmp_path, capsys):
    (tmp_path / "w.pth").write_text("hello")
    code, answer = call(capsys, "score", tmp_path / "w.pth", "--benchmark", "sketch", "--out", tmp_path / "x.json")
    assert code == 2
    assert "\n" not in answer["error"]


def test_nan_weights_are_never_scored(weights, tmp_path, capsys):
    from safetensors import safe_open

    with safe_open(weights, "pt") as file:
        tensors, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    name = next(name for name in tensors if name.startswith("head") and name.endswith("bias"))
    tensors[name] = torch.full_like(tensors[name], np.nan)
    save_file(tensors, tmp_path / "nan.safetensors", metadata=metadata)
    code, answer = call(capsys, "score", tmp_path / "nan.safetensors", "--benchmark", "sketch", "--out", tmp_path / "x.json")
    assert code == 2
    assert "finite" in answer["error"] or "NaN" in answer["error"]
    assert not (tmp_path / "x.json").exists()


def test_linear_probe_of_an_embedding(weights, tmp_path, capsys):
    code, answer = call(capsys, "linear-probe", weights, "--benchmark", "sketch", "--out", tmp_path / "p.json", "--batch-size", 64)
    assert code == 0
    assert answer["protocol"] == "self-test-linear-probe"
    assert answer["scores"]["accuracy"] > 0.3, "even an untrained network's features tell drawn expressions apart better than chance"


def test_crop_cuts_faces_out(tmp_path, capsys):
    from PIL import Image
    from skimage.data import astronaut

    (tmp_path / "in" / "test" / "Happy").mkdir(parents=True)
    Image.fromarray(astronaut()).save(tmp_path / "in" / "test" / "Happy" / "a.jpg")
    Image.new("RGB", (80, 60), (20, 90, 20)).save(tmp_path / "in" / "test" / "Happy" / "b.jpg")
    code, answer = call(capsys, "crop", tmp_path / "in", tmp_path / "out", "--size", 96)
    assert code == 0
    assert answer["without_face"] == ["test/Happy/b.jpg"]
    crop = np.asarray(Image.open(tmp_path / "out" / "test" / "Happy" / "a.png"))
    assert crop.shape == (96, 96, 3)
    assert crop.astype(float)[..., 0].mean() > crop.astype(float)[..., 2].mean() + 15, "skin, not the blue flag or the white suit"
    (tmp_path / "out" / "test" / "Happy" / "b.png").unlink()
    code, answer = call(capsys, "crop", tmp_path / "in", tmp_path / "out", "--size", 96)
    assert (code, answer["images"], answer["kept"]) == (0, 2, 1), "an interrupted run goes on"
    code, answer = call(capsys, "crop", tmp_path / "in", tmp_path / "out", "--size", 64)
    assert code == 2
    assert "begun with other settings" in answer["error"], "crops of two kinds are never mixed"
    Image.new("RGB", (80, 60)).save(tmp_path / "in" / "test" / "Happy" / "b.png")
    code, answer = call(capsys, "crop", tmp_path / "in", tmp_path / "other")
    assert code == 2
    assert "b.jpg and b.png in Happy would become one picture" in answer["error"]


@pytest.mark.parametrize("margin", ["nan", "-0.5", "inf", "1e9"])
def test_crop_margins_that_make_no_crop(tmp_path, capsys, margin):
    code, answer = call(capsys, "crop", tmp_path, tmp_path.parent / "out", f"--margin={margin}")
    assert code == 2
    assert "the margin must be above -0.5 and at most 2" in answer["error"]
