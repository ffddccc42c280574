"""Checkpoints: small files of our own load as they were saved, strictly; convert and inspect say what they do and refuse what they cannot mean."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

import poster
from poster.__main__ import main
from poster.checkpoint import convert, inspect, limits_from_environment, load_model
from poster.contract import ModelContract
from poster.errors import CheckpointError
from poster.labels import ORDERS
from poster.official_export import never_called, to_official
from poster.reading import Reader
from tests.poster import rule

GOLDENS = json.loads(Path(__file__).with_name("goldens.json").read_text())


def nano(tmp_path: Path, num_classes: int = 8, **options: Any) -> tuple[Path, torch.nn.Module]:
    model = poster.create_model("posterpp_nano", num_classes=num_classes, **options).eval()
    path = tmp_path / "nano.safetensors"
    contract = ModelContract("posterpp_nano", ORDERS["ferplus"][:num_classes], model.img_size, "grey", head=options.get("head", "linear"))
    save_file(model.state_dict(), path, contract.to_metadata())
    return path, model


@pytest.mark.parametrize("head", ["linear", "adaface", "arcface", "cosface"])
def test_a_model_of_ours_loads_as_it_was_saved(head: str, tmp_path: Path) -> None:
    path, model = nano(tmp_path, head=head)
    loaded = load_model(path)
    assert loaded.contract.head == head and loaded.contract.channels == "grey" and not loaded.training
    x = torch.rand(2, 3, model.img_size, model.img_size)
    with torch.inference_mode():
        assert torch.equal(loaded(x), model(x))


def test_half_precision_is_loaded_as_float32(tmp_path: Path) -> None:
    path, model = nano(tmp_path)
    half = {key: value.half() if value.is_floating_point() else value for key, value in model.state_dict().items()}
    save_file(half, path, load_model(path).contract.to_metadata())
    loaded = load_model(path)
    assert {value.dtype for value in loaded.state_dict().values()} == {torch.float32, torch.int64}
    assert any("F16" in warning for warning in inspect(path).identity.warnings)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda state: state.pop("norm.weight"), "norm.weight is missing"),
        (lambda state: state.update(surplus=torch.ones(1)), "surplus is not part of it"),
        (lambda state: state.update({"head.weight": torch.ones(7, 192)}), "head.bias is 8 and not 7"),
        (lambda state: state.update({"norm.weight": torch.ones(192, dtype=torch.int32)}), "whole numbers"),
    ],
)
def test_row_9_loading_is_strict(change: Any, says: str, tmp_path: Path) -> None:
    path, model = nano(tmp_path)
    state = dict(model.state_dict())
    change(state)
    save_file(state, path)
    for action in (lambda: load_model(path), lambda: convert(path, tmp_path / "out.safetensors")):
        with pytest.raises(CheckpointError) as caught:
            action()
        assert says in str(caught.value) and "posterpp_nano" in str(caught.value)
    assert not (tmp_path / "out.safetensors").exists()


def test_an_adaface_recognition_network_loads_as_one(tmp_path: Path) -> None:
    model = poster.create_model("adaface_ir18", num_classes=0).eval()
    state = {f"model.{key}": value for key, value in rule.official_state("adaface_ir18", rule.fill("adaface_ir18", model)).items()}
    path = tmp_path / "adaface.ckpt"
    torch.save({"state_dict": state | {"head.kernel": torch.rand(512, 100), "head.t": torch.zeros(1)}}, path)
    loaded = load_model(path)
    assert loaded.contract.num_classes == 0 and loaded.contract.head == "none" and loaded.contract.channels == "bgr" and loaded.contract.input_size == 112
    with torch.inference_mode():
        embedding, norm = loaded(torch.from_numpy(rule.inputs(112)["noise"]))
    expected = GOLDENS["adaface_ir_18"]["noise"]
    assert torch.allclose(embedding[:, :8].double(), torch.tensor(expected["embedding"]).double(), rtol=0, atol=1e-6)
    assert torch.allclose(norm[:, 0].double(), torch.tensor(expected["norm"]).double(), rtol=2e-6)
    out, back = tmp_path / "adaface.safetensors", tmp_path / "back.ckpt"
    convert(path, out)
    to_official(out, back)
    found = torch.load(back, map_location="cpu", weights_only=True)["state_dict"]
    assert found.keys() == state.keys() | {"head.kernel", "head.t"} and all(torch.equal(found[key], value) for key, value in state.items())


def test_a_model_trained_here_goes_back_with_its_never_called_layers_filled(tmp_path: Path) -> None:
    """POSTER++'s script loads strictly, and reads the position index."""
    model = poster.create_model("posterpp", num_classes=8)
    path, back = tmp_path / "trained.safetensors", tmp_path / "back.pth"
    save_file(model.state_dict(), path, ModelContract("posterpp", ORDERS["affectnet-8"]).to_metadata())
    to_official(path, back)
    found = torch.load(back, map_location="cpu", weights_only=True)["state_dict"]
    assert {key.removeprefix("module.") for key in found} == official_posterpp_keys()
    index = found["module.attn3.relative_position_index"]
    assert index.shape == (49, 49) and index[0, 0] == 84 and index.max() == 168 and torch.equal(index, 168 - index.t())


def official_posterpp_keys() -> set[str]:
    from poster.layouts import layouts
    from poster.official import official_names

    layout = layouts()["posterpp"]
    return set(official_names("posterpp", {**layout.entries, **layout.head("linear", 8)}).values()) | set(never_called("posterpp"))


def test_what_has_no_authors_layout_is_refused(tmp_path: Path) -> None:
    path, _ = nano(tmp_path)
    with pytest.raises(CheckpointError, match="own network"):
        to_official(path, tmp_path / "out.pth")
    with pytest.raises(CheckpointError, match="--labels"):
        to_official(path, tmp_path / "out.pth", labels="ferplus")


@pytest.mark.parametrize(
    ("out", "options", "says"),
    [
        ("out.pth", {}, r"must end in \.safetensors"),
        ("nowhere/out.safetensors", {}, "does not exist"),
        ("nano.safetensors", {}, "input itself"),
        ("out.safetensors", {"labels": "raf-db"}, "names 7 classes but the head has 8"),
        ("out.safetensors", {"labels": "joyful"}, "not a label order"),
        ("out.safetensors", {"labels": "sad,sad,fear"}, "twice"),
        ("out.safetensors", {"channels": "xyz"}, "not one of rgb"),
    ],
)
def test_convert_refuses_what_it_cannot_mean(out: str, options: dict[str, str], says: str, tmp_path: Path) -> None:
    path, _ = nano(tmp_path)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(CheckpointError, match=says):
        convert(path, tmp_path / out, **options)
    assert sorted(tmp_path.iterdir()) == before


def test_three_classes_need_their_labels_named(tmp_path: Path) -> None:
    path, model = nano(tmp_path, num_classes=3)
    save_file(model.state_dict(), path)
    with pytest.raises(CheckpointError, match="--labels"):
        load_model(path)
    convert(path, tmp_path / "out.safetensors", labels="happiness,surprise,anger")
    assert load_model(tmp_path / "out.safetensors").contract.labels == ("happiness", "surprise", "anger")


def test_naming_the_labels_settles_them(tmp_path: Path) -> None:
    path, model = nano(tmp_path)
    save_file(model.state_dict(), path)
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    convert(path, first)
    assert not inspect(first).identity.labels.sure
    convert(first, second, labels="affectnet-8")
    known = inspect(second).identity
    assert known.labels.sure and known.labels.order == "affectnet-8" and not known.channels.sure
    with safe_open(second, framework="pt") as file:
        assert json.loads(file.metadata()["poster.origin"])["assumed"] == ["channels"]


def test_the_size_limit_is_a_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, _ = nano(tmp_path)
    monkeypatch.setenv("FER_MAX_CHECKPOINT_MIB", "1")
    with pytest.raises(CheckpointError, match="at most 1 MiB"):
        inspect(path)
    monkeypatch.setenv("FER_MAX_CHECKPOINT_MIB", "nonsense")
    assert limits_from_environment().max_bytes == 2 << 30


def test_the_shipped_reader_keeps_no_state_between_files(tmp_path: Path) -> None:
    """A kept child answers for each file alone, and a refused file does not spoil the next."""
    good, bad = tmp_path / "good.pth", tmp_path / "bad.pth"
    torch.save({"w": torch.ones(2)}, good)
    torch.save({"w": torch.tensor([float("nan")])}, bad)
    with Reader() as reader:
        for _ in range(2):
            assert reader.read(good).entries == {"w": ("F32", (2,))}
            with pytest.raises(CheckpointError, match="NaN"):
                reader.read(bad)


# -- the commands
def test_inspect_prints_for_people_and_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, _ = nano(tmp_path)
    assert main(["inspect", str(path)]) == 0
    assert "posterpp_nano" in capsys.readouterr().out
    assert main(["inspect", str(path), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    wanted = {"architecture", "num_classes", "head", "layout", "prefix", "sha256", "parameters", "labels", "channels", "extras", "warnings"}
    assert wanted <= answer.keys() and answer["labels"]["names"] == list(ORDERS["ferplus"]) and answer["channels"]["order"] == "grey"


def test_convert_prints_what_it_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, _ = nano(tmp_path)
    out = tmp_path / "out.safetensors"
    assert main(["convert", str(path), str(out), "--labels", "affectnet-8", "--channels", "bgr", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["labels"] == list(ORDERS["affectnet-8"]) and answer["channels"] == "bgr" and out.is_file()


@pytest.mark.parametrize("as_json", [False, True])
def test_a_refused_file_exits_with_2_and_one_sentence(as_json: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "page.pth"
    path.write_text("<!doctype html><title>Sign in</title>")
    assert main(["inspect", str(path), *(["--json"] if as_json else [])]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1 and "web page" in captured.err and "Traceback" not in captured.err
    assert (json.loads(captured.out)["error"] in captured.err) if as_json else captured.out == ""


@pytest.mark.parametrize("arguments", [["inspect"], ["convert", "a"], ["convert", "a", "b", "--to", "elsewhere"], ["inspect", "a", "--nonsense"]])
def test_wrong_arguments_exit_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().err.count("\n") == 1
