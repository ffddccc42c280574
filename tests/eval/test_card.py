"""The shipped model's card says what its stored results say."""

import json
from pathlib import Path

import pytest

from eval.card import card, write_card
from eval.lineage import Stage
from poster.checkpoint import inspect
from poster.training.ancestry import Ancestry

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS = ROOT / "poster" / "weights" / "posterpp_nano.safetensors"
RESULTS = [ROOT / "leaderboard" / "results" / f"posterpp_nano-ferplus-{protocol}.json" for protocol in ("majority", "majority-dedup")]


def test_the_card_in_the_tree_is_the_one_its_results_give() -> None:
    inspection = inspect(WEIGHTS)
    assert {json.loads(path.read_text())["weights_sha256"] for path in RESULTS} == {inspection.contents.sha256}
    assert (WEIGHTS.parent / "README.md").read_text() == write_card(RESULTS, WEIGHTS.parent, WEIGHTS, inspection.identity.parameters_used)


def test_a_changed_score_changes_the_card() -> None:
    results = [json.loads(path.read_text()) for path in RESULTS]
    stages = [Stage({"name": "r", "architecture": "nano"}, Ancestry(weights=results[0]["weights_sha256"]), [])]
    before = card(results, stages, "", 1, 1)
    results[0]["scores"]["accuracy"] = 0.123456
    assert "12.35 %" in card(results, stages, "", 1, 1)
    assert "12.35 %" not in before


def test_a_model_that_looks_at_the_mirror_image_says_so() -> None:
    results = [json.loads(path.read_text()) for path in RESULTS]
    told = []
    for mirror in (False, True):
        results[0]["contract"]["mirror"] = mirror
        told.append("mirror image go through it" in card(results, [], "", 1, 1))
    assert told == [False, True]


def test_results_of_other_weights_are_refused() -> None:
    results = [json.loads(path.read_text()) for path in RESULTS]
    with pytest.raises(ValueError, match="the last run made 0000"):
        card(results, [Stage({"name": "r", "architecture": "nano"}, Ancestry(weights="0" * 64), [])], "", 1, 1)
    results[1]["weights_sha256"] = "0" * 64
    with pytest.raises(ValueError, match="different weights"):
        card(results, [], "", 1, 1)
