"""Every published number about a network of ours has a recipe or a reason, and the page in docs/ is the one the command writes."""

import re
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from leaderboard.claims import load_claims
from leaderboard.commands.reproduction import HEAD
from leaderboard.record import Record
from leaderboard.reproduction import as_markdown, reproductions
from poster.training.recipes import RECIPES
from tests.leaderboard.test_board import result

PAGE = Path(__file__).parents[2] / "docs" / "reproduction.md"


@pytest.fixture(scope="module")
def entries():
    return reproductions(load_claims(), RECIPES.values(), [])


def test_every_claim_with_a_network_of_ours_is_there(entries):
    assert [e.claim for e in entries] == [claim for claim in load_claims() if claim.model.startswith("POSTER")]
    for entry in entries:
        assert bool(entry.recipe) == bool(entry.command) and entry.reason
        if entry.recipe:
            assert RECIPES[entry.recipe].dataset == entry.claim.benchmark
            assert entry.claim.architecture in ("", RECIPES[entry.recipe].architecture)


def test_every_recipe_that_names_a_paper_has_its_claim():
    claimed = {(claim.model, claim.benchmark) for claim in load_claims()}
    named = [(model, recipe.dataset) for recipe in RECIPES.values() for model in recipe.reproduces]
    assert len(named) > 10 and set(named) <= claimed


def test_a_model_trained_by_the_recipe_is_the_measured_number(entries):
    recipe = RECIPES["poster_large_ferplus"]
    ours = Record.from_dict(result(), id="abc123abc123", model="ours")
    ours = replace(ours, contract=asdict(recipe.contract), benchmark="ferplus")
    entry = next(e for e in reproductions(load_claims(), RECIPES.values(), [ours]) if e.recipe == recipe.name)
    hits = sum(ours.confusion[i][i] for i in range(len(ours.labels)))
    assert entry.measured == (pytest.approx(100 * hits / sum(map(sum, ours.confusion))),)
    assert not next(e for e in entries if e.recipe == recipe.name).measured


def test_the_page_is_what_the_command_writes(entries):
    assert PAGE.read_text() == HEAD + as_markdown(entries)
    assert len(re.findall(r"^\| POSTER", PAGE.read_text(), re.M)) == len(entries)
