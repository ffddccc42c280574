"""The runs behind a checkpoint are told, and can be repeated, from what each of them left."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from eval.lineage import Stage, commands, read_stages, runs
from poster.training.ancestry import Ancestry
from poster.training.recipes import RECIPES

LOG = [{"epoch": "1", "accuracy": "0.5", "loss": "1", "seconds": "1800"}, {"epoch": "2", "accuracy": "0.8125", "loss": "0.25", "seconds": "1800"}]
STAGES = [
    Stage({"name": "first", "architecture": "nano"}, Ancestry(teacher="t", weights="a"), LOG),
    Stage({"name": "faces", "architecture": "face_resnet"}, Ancestry(backbone="dlib", weights="b"), LOG[:1]),
    Stage({"name": "taught", "architecture": "nano", "tutor_share": 0.75}, Ancestry(("a",), ("b",), weights="c"), LOG),
    Stage({"name": "taught", "architecture": "nano", "tutor_share": 0.5}, Ancestry(("a",), ("b", "a"), weights="d"), LOG),
    Stage({"name": "mean", "architecture": "nano"}, Ancestry(("a", "c", "d"), weights="e"), []),
]


def test_each_run_says_what_it_began_with_and_what_came_of_it() -> None:
    assert runs(STAGES).splitlines() == [
        "1. first, from scratch: 2 epochs in 1.0 hours, best epoch 2 (PublicTest accuracy 81.25 %).",
        "2. faces, a tutor, from dlib's face recognition network (public domain; nothing of it is here): 1 epochs in 0.5 hours, best epoch 1 "
        "(PublicTest accuracy 50.00 %).",
        "3. taught, from run 1, under run 2, whose answers had 75 % of the targets: 2 epochs in 1.0 hours, best epoch 2 (PublicTest accuracy 81.25 %).",
        "4. taught, from run 1, under runs 2 and 1, whose answers had 50 % of the targets: 2 epochs in 1.0 hours, best epoch 2 (PublicTest accuracy 81.25 %).",
        "5. mean, from the mean of the weights of runs 1, 3 and 4: no epoch.",
    ]


def test_each_run_is_repeated_by_one_command_from_the_files_of_those_before() -> None:
    lines = [line.strip() for line in commands(STAGES).splitlines() if line.startswith("    ")]
    model = "runs/{}/model.safetensors".format
    assert lines == [
        "python -m poster train first --teacher FILE --data DIR --out runs/1",
        "python -m poster train faces --backbone FACE_RESNET --data DIR --out runs/2",
        f"python -m poster train taught --start {model(1)} --tutor {model(2)} --data DIR --out runs/3",
        f"python -m poster train taught --start {model(1)} --tutor {model(2)} --tutor {model(1)} --data DIR --out runs/4",
        f"python -m poster train mean --start {model(1)} --start {model(3)} --start {model(4)} --data DIR --out runs/5",
        f"python -m eval score {model(5)} --benchmark ferplus --data DIR",
    ]
    assert "face_recognition_models in `FACE_RESNET`" in commands(STAGES) and "FACE_RESNET" not in commands(STAGES[:1])


def test_each_face_network_is_told_with_its_licence_and_where_its_file_is() -> None:
    stages = [Stage({"name": name, "architecture": name}, Ancestry(backbone=name, weights=name), LOG) for name in ("face_resnet", "face_mobile")]
    assert "2. face_mobile, a tutor, from InsightFace's small face recognition network (for non-commercial research; nothing of it is here): " in runs(stages)
    told = commands(stages)
    assert "python -m poster train face_mobile --backbone FACE_MOBILE --data DIR --out runs/2" in told
    assert "face_recognition_models in `FACE_RESNET` and w600k_mbf.onnx of InsightFace's pack buffalo_sc" in told


@pytest.mark.parametrize("made_from", [Ancestry(("other",), weights="c"), Ancestry(("a",), ("c",), weights="c")])
def test_a_run_made_from_what_no_run_before_it_made_is_refused(made_from: Ancestry) -> None:
    with pytest.raises(ValueError, match="run 2 was made from weights that no run before it made: (other|c)"):
        runs([STAGES[0], Stage({"name": "r", "architecture": "nano", "tutor_share": 0.5}, made_from, LOG)])


def test_what_a_run_changed_in_its_recipe_and_how_it_favoured_rare_classes_is_told() -> None:
    tried = [{"strength": 0.0, "accuracy": 0.875, "mean_class_accuracy": 0.5}, {"strength": 0.1, "accuracy": 0.8745, "mean_class_accuracy": 0.625}]
    usual = RECIPES["posterpp_nano_longer"]
    values = {
        "name": usual.name,
        "architecture": "nano",
        "epochs": usual.epochs,
        "lr": 5e-4,
        "gone": 1,
        "seed": usual.seed + 1,
        "augmentation": {"noise": 0.1, "light": 0.25},
    }
    stage = Stage(values, Ancestry(weights="a"), LOG, {"strength": 0.1, "cost": 0.002, "tried": tried})
    assert f"--out runs/1 --set lr=0.0005 --set seed={usual.seed + 1} --set augmentation.light=0.25\n" in commands([stage])
    assert "rare classes favoured with strength 0.1, the strongest that costs at most 0.2 % on PublicTest" in runs([stage])
    assert "accuracy from 87.50 % to 87.45 %, mean class accuracy from 50.00 % to 62.50 %" in runs([stage])
    unfavoured = Stage(values, Ancestry(weights="a"), LOG, {"strength": 0.0, "cost": 0.001, "tried": tried})
    assert "rare classes not favoured, since the weakest way to do it costs more than 0.1 % on PublicTest" in runs([unfavoured])


def test_what_fitting_the_bias_gave_is_told() -> None:
    first = {"penalty": None, "accuracy": 0.875, "mean_class_accuracy": 0.75, "loss": 0.325}
    tried = [first, {"penalty": 0.1, "accuracy": 0.8775, "mean_class_accuracy": 0.7475, "loss": 0.3125}]
    stage = Stage({"name": "r", "architecture": "nano"}, Ancestry(weights="a"), LOG, bias={"penalty": 0.1, "cost": 0.003, "tried": tried})
    gained = "cross-entropy from 0.3250 to 0.3125, accuracy from 87.50 % to 87.75 %, mean class accuracy from 75.00 % to 74.75 %"
    assert runs([stage]).endswith(f", the head's bias fitted to PublicTest's labels with penalty 0.1 (cross-validated there: {gained}).")
    unfitted = Stage({"name": "r", "architecture": "nano"}, Ancestry(weights="a"), LOG, bias={"penalty": None, "cost": 0.003, "tried": tried})
    assert runs([unfitted]).endswith(", the bias not fitted, since on PublicTest it gains nothing or costs more than 0.3 % of mean class accuracy.")


@pytest.mark.parametrize(("plain", "told"), [(False, "whose answers had 50 %"), (True, "whose answers to the pictures as they are had 50 %")])
def test_a_tutor_asked_once_is_told_apart(plain: bool, told: str) -> None:
    first = Stage({"name": "r", "architecture": "nano"}, Ancestry(weights="a"), LOG)
    recipe = {"name": "s", "architecture": "nano", "tutor_share": 0.5, "tutor_plain": plain}
    assert told in runs([first, Stage(recipe, Ancestry(weights="b", start=("a",), tutor=("a",)), LOG)])


def test_stages_are_read_in_their_order_and_a_mean_has_no_log(tmp_path: Path) -> None:
    for ending, stage in zip(("", "-2"), (STAGES[0], STAGES[4]), strict=True):
        (tmp_path / f"recipe{ending}.json").write_text(json.dumps(stage.recipe))
        stage.made_from.write(tmp_path / f"ancestry{ending}.json")
    (tmp_path / "log.csv").write_text("epoch,accuracy,loss,seconds\n1,0.5,1,1800\n2,0.8125,0.25,1800\n")
    (tmp_path / "bias-2.json").write_text('{"penalty": null}')
    assert read_stages(tmp_path) == [STAGES[0], replace(STAGES[4], bias={"penalty": None})]
