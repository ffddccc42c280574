"""Checkpoints of the official scripts end to end: their layouts, a full-size file measured from outside, there and back again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import poster
from poster.checkpoint import convert, inspect, load_model
from poster.errors import CheckpointError
from poster.identify import strip_prefix
from poster.labels import ORDERS
from poster.official_export import never_called, to_official
from poster.reading import ROOT
from tests.poster import rule

GOLDENS = json.loads(Path(__file__).with_name("goldens.json").read_text())
MIB = 1 << 20


class RecorderMeter:
    """What POSTER++'s script pickles beside the weights, from its own ``__main__``."""


class RecorderMeter1(RecorderMeter):
    pass


def with_meters(state: dict[str, Any]) -> dict[str, Any]:
    for kind in (RecorderMeter, RecorderMeter1):
        kind.__module__ = "__main__"
        setattr(sys.modules["__main__"], kind.__name__, kind)
    meter, last = RecorderMeter(), RecorderMeter1()
    meter.total_epoch, meter.epoch_losses = 200, np.zeros((200, 2), np.float32)
    last.y_pred = np.arange(40)
    return {**state, "recorder1": last, "recorder": meter}


def official_posterpp(num_classes: int = 7) -> OrderedDict[str, torch.Tensor]:
    """POSTER++'s full-size state dict under the authors' keys, filled by the golden rule, never-called layers included."""
    model = poster.create_model("posterpp", num_classes=num_classes)
    state = rule.official_state("posterpp", rule.fill("posterpp", model))
    spare = torch.Generator().manual_seed(3)
    for key, shape in never_called("posterpp").items():
        whole = key.endswith(("num_batches_tracked", "position_index"))
        state[key] = torch.zeros(shape, dtype=torch.int64) if whole else torch.rand(shape, generator=spare)
    return OrderedDict((f"module.{key}", value) for key, value in state.items())


@pytest.fixture(scope="module")
def full_size(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A POSTER++ checkpoint as its script saves one: 240 MB, the optimizer sharing the weights' storages."""
    path = tmp_path_factory.mktemp("full") / "[01-01]-[12-00]-model.pth"
    state = official_posterpp()
    weights = [value for value in state.values() if value.is_floating_point()]
    optimizer = {"state": {n: {"old_p": weight} for n, weight in enumerate(weights)}, "param_groups": [{"rho": 0.05, "lr": 3.5e-5}]}
    torch.save(with_meters({"epoch": 7, "state_dict": state, "best_acc": torch.tensor(92.21), "optimizer": optimizer}), path)
    yield path
    path.unlink()


@pytest.fixture(scope="module")
def converted(full_size: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("converted") / "posterpp.safetensors"
    convert(full_size, path, labels="raf-db")
    yield path
    path.unlink()


# -- the official scripts' own miniature files
def trusted(path: Path) -> dict[str, torch.Tensor]:
    """What torch reads from a file of the reference data, which we trust."""
    from poster._reader import STAND_INS, Inert

    with torch.serialization.safe_globals([(type("Inert", (Inert,), {}), name) for name in STAND_INS]):
        found = torch.load(path, map_location="cpu", weights_only=True)
    return next((found[key] for key in ("state_dict", "model_state_dict") if key in found), found)


LOOK_ALIKES = {
    "poster_train_epoch1_acc1.0.pth": "poster_small",
    "posterpp_model.pth": "posterpp",
    "posterpp_model_torch213_numpy2.pth": "posterpp",
    "adaface_lightning186_last.ckpt": "adaface_ir18",
    "adaface_lightning144_last.ckpt": "adaface_ir18",
    "adaface_released_layout.ckpt": "adaface_ir18",
    "pretrain_mobilefacenet_layout.pth.tar": None,
    "pretrain_ir50_layout.pth": None,
}


@pytest.mark.parametrize("name", LOOK_ALIKES)
def test_every_official_layout_opens_with_equal_tensors(name: str, shared: Path, tmp_path: Path) -> None:
    path, out = shared / "golden" / "checkpoints" / name, tmp_path / "out.safetensors"
    inspection = convert(path, out)
    expected = trusted(path)
    raw, _ = strip_prefix(expected)
    loaded = load_file(out)
    assert loaded.keys() == raw.keys()
    assert all(torch.equal(loaded[key], expected[original]) and loaded[key].dtype == expected[original].dtype for key, original in raw.items())
    known = inspection.identity
    assert known.architecture is None and known.nearest == LOOK_ALIKES[name] and known.problem
    assert len(inspection.to_json()["nearest"]["differing"]) <= 5
    with pytest.raises(CheckpointError):
        load_model(out)


def test_the_optimizer_only_best_file_is_told_by_name(shared: Path) -> None:
    with pytest.raises(CheckpointError, match=r"_model_best\.pth.*take the `\*_model\.pth`"):
        inspect(shared / "golden" / "checkpoints" / "posterpp_model_best_optimizer_only.pth")


# -- a full-size file, measured from outside
def run_cli(*arguments: str) -> tuple[dict[str, Any], float, float]:
    """(JSON answer, processor seconds, peak MiB of the whole process tree) of ``python -m poster``."""
    before = os.times()
    child = subprocess.Popen([sys.executable, "-m", "poster", *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    peak = 0
    while child.poll() is None:
        peak = max(peak, sum(resident(pid) for pid in tree(child.pid)))
        time.sleep(0.02)
    out, complaint = child.communicate()
    assert child.returncode == 0, complaint
    after = os.times()
    seconds = after.children_user + after.children_system - before.children_user - before.children_system
    return json.loads(out), seconds, peak / MIB


def tree(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(below for child in children for below in tree(int(child)))]


def resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def test_inspect_of_a_full_size_file(full_size: Path) -> None:
    answer, seconds, peak = run_cli("inspect", str(full_size), "--json")
    assert (answer["architecture"], answer["num_classes"], answer["head"], answer["layout"], answer["prefix"]) == (
        "posterpp",
        7,
        "linear",
        "posterpp",
        "module.",
    )
    assert answer["extras"]["epoch"] == 7 and answer["extras"]["best_acc"] == pytest.approx(92.21) and answer["extras"]["optimizer"] is True
    assert answer["labels"]["order"] == "raf-db" and answer["labels"]["names"] == list(ORDERS["raf-db"]) and answer["labels"]["sure"] is False
    assert answer["channels"]["order"] == "rgb" and any("optimistic" in warning for warning in answer["warnings"])
    assert seconds < 8, "processor seconds: the wall clock of a busy machine proves nothing"
    assert peak < full_size.stat().st_size / MIB + 300, "the weights once plus 300 MiB"


def test_inspect_of_a_full_size_safetensors(converted: Path) -> None:
    answer, seconds, peak = run_cli("inspect", str(converted), "--json")
    assert answer["architecture"] == "posterpp" and answer["layout"] == "ours" and answer["labels"]["sure"] is True and answer["channels"]["sure"] is False
    assert answer["origin"]["layout"] == "posterpp" and answer["origin"]["epoch"] == 7
    assert seconds < 1 and peak < 100


def test_converted_tensors_are_equal_and_the_logits_golden(full_size: Path, converted: Path) -> None:
    loaded = load_file(converted)
    names = inspect(full_size).identity.names
    assert len(names) == len(loaded) == 747
    assert all(torch.equal(loaded[names[key]], value) for key, value in official_posterpp().items())
    expected = torch.tensor(GOLDENS["posterpp_7"]["noise"]["logits"])
    model = poster.load_model(converted)
    with torch.inference_mode():
        logits = model(torch.from_numpy(rule.inputs(224)["noise"]))
    assert not model.training and model.contract.labels == ORDERS["raf-db"] and model.contract.channels == "rgb"
    assert torch.allclose(logits, expected.float(), rtol=0, atol=1e-5)


def test_there_and_back_again_loses_nothing(full_size: Path, converted: Path, tmp_path: Path) -> None:
    back = tmp_path / "back.pth"
    to_official(converted, back)
    found = torch.load(back, map_location="cpu", weights_only=True)
    original = official_posterpp()
    assert found["epoch"] == 7 and float(found["best_acc"]) == pytest.approx(92.21)
    assert found["state_dict"].keys() == original.keys()
    assert all(torch.equal(found["state_dict"][key], value) for key, value in original.items())


def test_load_model_takes_the_original_too(full_size: Path) -> None:
    model = load_model(full_size, labels="affectnet-7", channels="bgr")
    assert model.contract.labels == ORDERS["affectnet-7"] and model.contract.channels == "bgr" and model.contract.architecture == "posterpp"
    names = inspect(full_size).identity.names
    state = model.state_dict()
    assert all(torch.equal(state[names[key]], value) for key, value in official_posterpp().items() if names[key] in state)
