"""Whether runtimes agree: counted here by hand, and found when one of them answers otherwise."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

import poster
from eval import agree
from eval.agree import agreement, measure, table
from eval.mapping import LabelMap
from poster.checkpoint import inspect

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS = ROOT / "poster" / "weights" / "posterpp_nano.safetensors"


def test_equal_right_and_lead_are_counted() -> None:
    plain = np.array([[0.5, 0.3, 0.2], [0.1, 0.5, 0.4], [0.2, 0.2, 0.6], [0.6, 0.3, 0.1]])
    ours = np.array([[0.3, 0.5, 0.2], [0.1, 0.4, 0.5], [0.2, 0.2, 0.6], [0.9, 0.0, 0.1]])
    found = agreement("bf16", "bfloat16", plain, ours, np.array([1, 1, 2, 1]))
    assert (found.images, found.equal, found.right) == (4, 2, 2)
    assert found.lead == pytest.approx(math.log(0.5 / 0.3))  # of the two that differ the clearer one
    assert agreement("eager", "float32", plain, plain, np.array([0, 0, 0, 0])).lead == 0


def test_every_runtime_of_the_device_is_compared_with_the_network_as_written(monkeypatch: pytest.MonkeyPatch) -> None:
    model = poster.create_model("posterpp_nano", num_classes=8).eval()
    contract = poster.load_model(WEIGHTS).contract
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (40, contract.input_size, contract.input_size), dtype=np.uint8)
    labels = rng.integers(0, 8, 40)
    classes = LabelMap.of(contract.labels, contract.labels)
    steps: list[int] = []
    with torch.inference_mode():
        plain, eager, bf16 = measure(model, contract, classes, pixels, labels, "cpu", lambda done, total: steps.append(done))
    assert [(one.runtime, one.precision) for one in (plain, eager, bf16)] == [("plain", "float32"), ("eager", "float32"), ("bf16", "bfloat16")]
    assert plain.equal == eager.equal == 40 and steps[-1] == 3
    # A runtime whose classes are turned by one agrees nowhere.
    turned = [{"logits": np.roll(part["logits"], 1, axis=1)} for part in agree.batches(model, pixels, contract, agree.Compute())]
    monkeypatch.setattr(agree, "batches", lambda *_: iter(turned))
    _, wrong, _ = measure(model, contract, classes, pixels, labels, "cpu", lambda done, total: None)
    assert wrong.equal == 0 and wrong.lead > 0


def test_the_table_in_the_documentation_is_the_stored_measurement_of_the_shipped_model() -> None:
    stored = json.loads((ROOT / "docs" / "runtimes.json").read_text())
    assert stored["weights_sha256"] == inspect(WEIGHTS).contents.sha256
    assert table(stored["runtimes"]) in (ROOT / "docs" / "speed.md").read_text()
