"""The shipped model's card says what its stored results say."""

import json
from pathlib import Path

import pytest

from eval.card import card, write_card
from poster.checkpoint import inspect

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
    before = card(results, [({"name": "r"}, log)], "", 1, 1)
    results[0]["scores"]["accuracy"] = 0.123456
    assert "12.35 %" in card(results, [({"name": "r"}, log)], "", 1, 1)
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
    assert "python -m poster train second --start runs/first/model.safetensors --data DIR --out runs/second" in text
    assert "python -m eval score runs/second/model.safetensors" in text and "Said by hand." in text
