"""The shipped model's card says what its stored results say."""

import json
from pathlib import Path

import pytest

from eval.card import Stage, card, write_card
from poster.checkpoint import inspect
from poster.training.recipes import RECIPES

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS = ROOT / "poster" / "weights" / "posterpp_nano.safetensors"
RESULTS = [ROOT / "leaderboard" / "results" / f"posterpp_nano-ferplus-{protocol}.json" for protocol in ("majority", "majority-dedup")]


def test_the_card_in_the_tree_is_the_one_its_results_give() -> None:
    inspection = inspect(WEIGHTS)
    assert {json.loads(path.read_text())["weights_sha256"] for path in RESULTS} == {inspection.contents.sha256}
    assert (WEIGHTS.parent / "README.md").read_text() == write_card(RESULTS, WEIGHTS.parent, WEIGHTS, inspection.identity.parameters_used)


def test_a_changed_score_changes_the_card() -> None:
    results = [json.loads(path.read_text()) for path in RESULTS]
    log = [{"epoch": "1", "accuracy": "0.5", "loss": "1", "seconds": "3600"}]
    before = card(results, [Stage({"name": "r"}, log)], "", 1, 1)
    results[0]["scores"]["accuracy"] = 0.123456
    assert "12.35 %" in card(results, [Stage({"name": "r"}, log)], "", 1, 1)
    assert "12.35 %" not in before


def test_results_of_other_weights_are_refused() -> None:
    results = [json.loads(path.read_text()) for path in RESULTS]
    results[1]["weights_sha256"] = "0" * 64
    with pytest.raises(ValueError, match="different weights"):
        card(results, [], "", 1, 1)


def test_a_second_run_is_told_with_its_command(tmp_path: Path) -> None:
    for ending, name, loss in (("", "first", "0.5"), ("-2", "second", "0.25")):
        (tmp_path / f"recipe{ending}.json").write_text(json.dumps({"name": name}))
        (tmp_path / f"log{ending}.csv").write_text(f"epoch,accuracy,loss,seconds\n1,0.5,1,1800\n2,0.8125,{loss},1800\n")
    (tmp_path / "notes.txt").write_text("Said by hand.\n")
    text = write_card(RESULTS, tmp_path, WEIGHTS, 1)
    assert "from scratch by the recipe first, 2 epochs in 1.0 hours, best epoch 2 (PublicTest accuracy 81.25 %); then from its weights" in text
    assert "python -m poster train second --start runs/1/model.safetensors --data DIR --out runs/2" in text
    assert "python -m eval score runs/2/model.safetensors" in text and "Said by hand." in text


def test_what_a_run_changed_in_its_recipe_and_how_it_favoured_rare_classes_is_told(tmp_path: Path) -> None:
    tried = [{"strength": 0.0, "accuracy": 0.875, "mean_class_accuracy": 0.5}, {"strength": 0.1, "accuracy": 0.8745, "mean_class_accuracy": 0.625}]
    usual = RECIPES["posterpp_nano_longer"]
    values = {"name": usual.name, "epochs": usual.epochs, "lr": 5e-4, "gone": 1, "seed": usual.seed + 1, "augmentation": {"noise": 0.1, "light": 0.25}}
    stage = Stage(values, [{"epoch": "1", "accuracy": "0.5", "loss": "1", "seconds": "3600"}], {"strength": 0.1, "cost": 0.002, "tried": tried})
    text = card([json.loads(path.read_text()) for path in RESULTS], [stage], "", 1, 1)
    assert f"--out runs/1 --set lr=0.0005 --set seed={usual.seed + 1} --set augmentation.light=0.25\n" in text
    assert "rare classes favoured with strength 0.1, the strongest that costs at most 0.2 % on PublicTest" in text
    assert "accuracy from 87.50 % to 87.45 %, mean class accuracy from 50.00 % to 62.50 %" in text


def test_a_tutor_is_told_as_what_it_is_and_the_run_after_it_starts_from_the_student(tmp_path: Path) -> None:
    runs = [("first", "posterpp_nano", 0.0), ("face_resnet", "face_resnet", 0.0), ("taught", "posterpp_nano", 0.75)]
    runs += [("face_resnet", "face_resnet", 0.0), ("taught", "posterpp_nano", 0.5)]
    log = [{"epoch": "1", "accuracy": "0.5", "loss": "1", "seconds": "3600"}]
    stages = [Stage({"name": name, "architecture": architecture, "tutor_share": share}, log) for name, architecture, share in runs]
    text = card([json.loads(path.read_text()) for path in RESULTS], stages, "", 1, 1)
    assert "then beside it a tutor, from dlib's face recognition network" in text and "whose answers had 75 % of the targets, by the recipe taught" in text
    assert "train first --teacher FILE --data DIR --out runs/1\n" in text
    assert "train face_resnet --backbone FACES --data DIR --out runs/2\n" in text
    assert "train taught --start runs/1/model.safetensors --tutor runs/2/model.safetensors --data DIR --out runs/3\n" in text
    assert "then the tutor again, from its own weights, by the recipe face_resnet" in text
    assert "train face_resnet --start runs/2/model.safetensors --data DIR --out runs/4\n" in text
    assert "train taught --start runs/3/model.safetensors --tutor runs/4/model.safetensors --data DIR --out runs/5\n" in text
    assert "face_recognition_models in `FACES`" in text
