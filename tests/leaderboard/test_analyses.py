"""The analyses of a submission: within their budget, the same every time, and never at the cost of the scores."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from eval import robustness
from eval.catalogue import find
from eval.inference import Compute
from eval.load import load
from eval.result import load as load_result
from eval.run import evaluate_model
from leaderboard import analyses
from leaderboard.analyses import BUDGET, NAMES, PASSES, add_analyses, sample_size
from leaderboard.record import Record
from poster.contract import ModelContract
from poster.labels import EXPRESSIONS
from tests.eval.conftest import SmallNet

CONTRACT = ModelContract("posterpp_nano", EXPRESSIONS, input_size=32)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A network of random weights, scored on the self-test."""
    folder = tmp_path_factory.mktemp("scored")
    torch.manual_seed(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FER_CACHE", str(folder))
        return evaluate_model(SmallNet().eval(), CONTRACT, "0" * 64, load(find("sketch"), None), folder / "r.json", Compute(batch_size=64), probe=False)


def analysed(run, out, wanted=500, left=1e4, progress=lambda *_: None):
    notes = []
    add_analyses(run, wanted, left, out, progress, notes.append)
    record = Record.from_dict(json.loads(out.read_text()), id="r", model="m")
    assert (record.confusion, record.num_images) == (run.result.confusion, 256), "whatever happens, the scores stand"
    assert Record.from_dict(json.loads(json.dumps(record.to_dict()))) == record
    return record.analyses, notes


@given(st.integers(0, 10**6), st.integers(1, 10**6), st.floats(0, 1e6), st.floats(-1e3, 1e6))
def test_the_sample_stays_within_the_budget(wanted, images, seconds, left):
    count = sample_size(wanted, images, seconds, left)
    assert 0 <= count <= min(wanted, images) and count * PASSES <= BUDGET * images
    assert count * PASSES * seconds <= max(left, 0) * images * 1.001 + 1e-6, "and within the seconds that are left"
    assert count <= sample_size(wanted, images, seconds, left + 100) and count <= sample_size(wanted + 1, images, seconds, left)


def test_the_figures_come_with_the_scores_and_are_the_same_every_time(run, tmp_path):
    seen = []
    found, notes = analysed(run, tmp_path / "a.json", progress=lambda *step: seen.append(step))
    assert {*NAMES, "flip", "geometry"} == set(found) and notes == [f"{name} on 15 images" for name in NAMES]
    count = found["robustness"]["num_images"]
    assert count == len(robustness.sample(run, 15)) == 16, "two of each expression"
    assert [(done, total) for what, done, total in seen if what == "robustness"] == [(step * count, 40 * count) for step in range(1, 41)]
    assert found["robustness"] == robustness.corruption_accuracy(run, 15)
    assert [point["size"] for point in found["scale"]["points"]] == [16, 24, 32] and sum(row["images"] for row in found["quality"]["quartiles"]) == count
    assert analysed(run, tmp_path / "b.json") == (found, notes) and (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_an_analysis_that_fails_is_named_and_the_others_are_there(run, tmp_path, monkeypatch, capsys):
    def bug(*_):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("eval.quality.importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("eval.robustness.scale_sensitivity", bug)
    found, notes = analysed(run, tmp_path / "r.json")
    reason = "The quality analysis needs the package brisque, install it with pip install brisque or leave out this analysis."
    assert found["left_out"] == {"scale": "It failed (ZeroDivisionError).", "quality": reason}
    assert "robustness" in found and {"scale", "quality"}.isdisjoint(found) and "scale is left out: It failed (ZeroDivisionError)." in notes
    assert "a bug" in capsys.readouterr().err


def test_the_file_is_right_at_every_moment(run, tmp_path):
    out, during = tmp_path / "r.json", {}
    analysed(run, out, progress=lambda what, done, total: during.setdefault(what, load_result(out).analyses))
    assert set(during["robustness"]["left_out"]) == set(NAMES) and "robustness" not in during["robustness"]
    assert set(during["picture quality"]["left_out"]) == {"quality"} and {"robustness", "scale"} <= set(during["picture quality"])
    assert load_result(out).analyses["left_out"] == {}


def test_an_analysis_that_takes_too_long_is_left_out_with_those_after_it(run, tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(analyses, "time", SimpleNamespace(monotonic=lambda: clock[0]))

    def slow(what, done, total):
        clock[0] += 1e4 if what == "resolutions" else 0

    found, _ = analysed(run, tmp_path / "r.json", progress=slow)
    assert found["left_out"] == dict.fromkeys(("scale", "quality"), "The time for it was over.") and "robustness" in found


def test_too_few_images_are_no_curve(run, tmp_path):
    found, _ = analysed(run, tmp_path / "r.json", wanted=3)
    assert set(found["left_out"]) == set(NAMES) and "3 images are too few" in found["left_out"]["scale"]
