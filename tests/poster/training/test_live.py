"""The event files of a run, read back record by record; nothing is written, imported or needed unless asked for."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tensorboardX.proto.event_pb2 import Event

import poster
from poster.errors import InputError
from poster.training import loop
from poster.training.data import TrainingData
from poster.training.live import EVERY, Live
from poster.training.recipes import NANO_CONTRACT, RECIPES
from poster.training.session import train

TINY = {"depths": (1, 1, 1), "channels": (8, 16, 32), "stem": 8, "landmark_scale": 0.125, "heads": (1, 1, 1), "embed_dim": 32, "embed_heads": 2, "depth": 1}


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """name -> (step, value) of the TFRecords in ``folder``: length, its checksum, an Event, its checksum."""
    found: dict[str, list[tuple[int, float]]] = {}
    for path in sorted(folder.glob("events.out.tfevents.*")):
        content, at = path.read_bytes(), 0
        while at < len(content):
            (length,) = struct.unpack("<Q", content[at : at + 8])
            event = Event.FromString(content[at + 12 : at + 12 + length])
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, value.simple_value))
            at += length + 16
    return found


def test_a_run_can_be_watched(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 8, 48)
    data = TrainingData(rng.integers(0, 255, (48, 48, 48), np.uint8), np.eye(8, dtype=np.float32)[labels], labels, np.arange(40), np.arange(40, 48))
    recipe = RECIPES["posterpp_nano"].override(["epochs=2", "batch_size=4", "bf16=false", "ema=0"])
    torch.manual_seed(0)
    with Live(tmp_path / "live") as live:
        loop.train(poster.create_model("posterpp_nano", num_classes=8, **TINY), NANO_CONTRACT, data, recipe, tmp_path, live=live)
    found = scalars(tmp_path / "live")
    rows = [line.split(",") for line in (tmp_path / loop.LOG).read_text().splitlines()]
    for name, *column in zip(*rows, strict=True):
        if name != "epoch":
            assert [step for step, _ in found[f"epoch/{name}"]] == [1, 2]
            assert [value for _, value in found[f"epoch/{name}"]] == pytest.approx([float(value) for value in column], rel=1e-4)
    assert [step for step, _ in found["step/loss"]] == [EVERY] == [step for step, _ in found["step/lr"]]
    assert found["step/loss"][0][1] == pytest.approx(float(rows[2][rows[0].index("train_loss")]), rel=1e-4)  # the epoch's tenth and last step


def test_without_the_package_it_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(InputError, match="pip install tensorboardX"):
        train(RECIPES["posterpp_nano"], tmp_path / "no data read yet", tmp_path / "out", live=True)
    assert not list(tmp_path.iterdir())
