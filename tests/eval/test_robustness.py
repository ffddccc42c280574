"""Corruptions do what they say and grow with severity; curves, resolutions and mirroring of a real model."""

import numpy as np
import pytest
from PIL import Image

from eval.analyses import analyse, chosen_analyses
from eval.corruptions import CORRUPTIONS, SEVERITIES, lower_resolution
from eval.result import load
from eval.robustness import corruption_accuracy, flip_consistency, scale_sensitivity
from eval.run import evaluate_model
from poster.data.sketch import draw_face
from poster.errors import InputError
from tests.eval.conftest import CONTRACT

FACE = draw_face("fear", np.random.default_rng(0))


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_corruptions_grow_and_are_repeatable(name):
    corrupt = CORRUPTIONS[name]
    for image in (FACE, FACE[..., 0]):
        damage = []
        for severity in SEVERITIES:
            before = image.copy()
            changed = corrupt(image, severity, 3)
            assert (changed.shape, changed.dtype) == (image.shape, np.uint8)
            assert (image == before).all(), "the original stays as it was"
            assert (changed == corrupt(image, severity, 3)).all()
            damage.append(np.abs(changed.astype(float) - image).mean())
        assert damage[0] > 0
        assert damage == sorted(damage)


def test_occlusion_covers_its_half_only():
    upper, lower = (CORRUPTIONS[f"{half}-face occlusion"](FACE, 5, 0) for half in ("upper", "lower"))
    assert (upper[:48] == 0).all()
    assert (upper[48:] == FACE[48:]).all()
    assert (lower[48:] == 0).all()
    assert (lower[:48] == FACE[:48]).all()


def test_noise_has_the_level_it_says():
    flat = np.full((200, 200, 3), 128, np.uint8)
    assert CORRUPTIONS["noise"](flat, 2, 0).std() == pytest.approx(16, rel=0.03)


def test_rotation_goes_both_ways():
    left, right = (CORRUPTIONS["rotation"](FACE, 3, seed) for seed in (0, 1))
    assert (left != right).any()


def test_lower_resolution_is_down_and_up():
    small = Image.fromarray(FACE).resize((16, 16), Image.Resampling.BILINEAR)
    assert (lower_resolution(FACE, 16) == np.asarray(small.resize((96, 96), Image.Resampling.BILINEAR))).all()


@pytest.fixture
def run(small_net, sketch, cpu, tmp_path):
    return evaluate_model(small_net, CONTRACT, "0" * 64, sketch, tmp_path / "r.json", cpu, probe=False)


def test_curves_of_a_model(run):
    seen = []
    found = corruption_accuracy(run, 40, lambda *step: seen.append(step))
    assert seen[-1][1] == seen[-1][2]
    assert set(found["curves"]) == set(CORRUPTIONS)
    points = [point["accuracy"] for curve in found["curves"].values() for point in curve]
    assert len(points) == 40
    assert found["mean_corruption_accuracy"] == pytest.approx(np.mean(points))
    assert found["clean"]["accuracy"] > found["mean_corruption_accuracy"]
    assert found["curves"]["lower-face occlusion"][4]["accuracy"] < found["clean"]["accuracy"]


def test_resolutions_of_a_model(run):
    found = scale_sensitivity(run, 40)
    assert [point["size"] for point in found["points"]] == [16, 24, 32]
    clean = run.predictions
    assert found["points"][-1]["accuracy"] > 0.8
    assert 0 < found["area_under_curve"] <= 1
    whole = scale_sensitivity(run, 0)
    assert whole["num_images"] == 256
    assert whole["points"][-1]["accuracy"] == pytest.approx(clean.correct.mean())


def test_mirroring(run):
    found = flip_consistency(run, 40)
    assert 0 < found["same_answer"] <= 1
    assert found["total_variation"] > 0


def test_analyses_are_stored_with_the_result(run, tmp_path):
    analyse(run, ("scale", "copies"), 20, None, tmp_path / "r.json")
    stored = load(tmp_path / "r.json")
    assert stored.analyses["scale"]["num_images"] == 16
    assert stored.diagnosis["copies"]["exact"] == 0
    assert "geometry" in stored.analyses


@pytest.mark.parametrize(("text", "sample", "sentence"), [("speed", 5, "'speed' is not one of"), ("scale", -1, "negative")])
def test_unknown_analyses(text, sample, sentence):
    with pytest.raises(InputError, match=sentence):
        chosen_analyses(text, sample)


def test_all_analyses():
    assert chosen_analyses("all", 0) == ("scale", "robustness", "quality", "copies")
    assert chosen_analyses(" scale , quality ", 0) == ("scale", "quality")
    assert chosen_analyses("", 0) == ()
