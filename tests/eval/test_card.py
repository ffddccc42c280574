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
    before = card(results, {"name": "r", "epochs": 1}, log, "", 1, 1)
    results[0]["scores"]["accuracy"] = 0.123456
    assert "12.35 %" in card(results, {"name": "r", "epochs": 1}, log, "", 1, 1)
    assert "12.35 %" not in before


def test_results_of_other_weights_are_refused() -> None:
    results = [json.loads(path.read_text()) for path in RESULTS]
    results[1]["weights_sha256"] = "0" * 64
    with pytest.raises(ValueError, match="different weights"):
        card(results, {"name": "r", "epochs": 1}, [], "", 1, 1)
