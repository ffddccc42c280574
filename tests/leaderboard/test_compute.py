"""Costs: every architecture counted, as independent counters count them; what papers print explained by a count of ours."""

import json

import pytest

from leaderboard.claims import load_claims
from leaderboard.commands.compute import counted
from leaderboard.compute import REFERENCE, load_costs, load_published
from poster import ARCHITECTURES

NAMES = {"poster_small": "poster_small_7", "poster_base": "poster_base_7", "poster_large": "poster_large_7", "posterpp": "posterpp_7"}


def test_every_architecture_is_counted_and_timed():
    costs = load_costs()
    assert set(costs.of) == set(ARCHITECTURES)
    assert all(one.macs == one.flops // 2 and one.parameters > 1e6 and set(one.speed) == set(costs.of[REFERENCE].speed) for one in costs.of.values())
    assert set(costs.of[REFERENCE].speed.values()) == {1.0} and costs.speed("posterpp_nano") > 5
    assert costs.speed("unknown") is None and "float32" in costs.setting


def test_claims_name_architectures_that_exist():
    named = {claim.architecture for claim in load_claims() if claim.architecture}
    assert named <= set(ARCHITECTURES) and {"posterpp", "poster_large"} <= named
    assert {claim.model for claim in load_claims() if claim.model.startswith("POSTER") and not claim.architecture} == {
        "POSTER-Ada-s + MLP (m=0.4)",
        "POSTER-Ada-s + IR features (m=0.4)",
    }, "networks with parts of their own are not counted as ours"


def test_the_counts_are_those_of_the_official_networks(shared):
    golden = json.loads((shared / "golden/compute.json").read_text())
    for name, official in NAMES.items():
        ours = load_costs().of[name]
        assert ours.flops == pytest.approx(golden[official]["FlopCounterMode_flops(2/mac)"], rel=0.002)
        called = golden[official]["total_params"] - golden[official]["params_in_never_called_modules"]
        assert ours.parameters == pytest.approx(called, rel=0.003)


def test_what_the_papers_print_does_not_compare():
    poster, plus = (next(one for one in load_published() if one.architecture == name) for name in ("poster_large", "posterpp"))
    ours = load_costs().of
    assert poster.gflops == pytest.approx(ours["poster_large"].flops / 1e9, abs=0.1), "operations"
    assert plus.gflops == pytest.approx(ours["posterpp"].macs / 1e9, abs=0.25), "multiply-adds"
    assert plus.gflops < poster.gflops and ours["posterpp"].flops > ours["poster_large"].flops


def test_counting_again_gives_the_committed_counts(monkeypatch):
    from eval.inference import Compute

    monkeypatch.setattr("poster.ARCHITECTURES", (REFERENCE, "posterpp_nano"), raising=False)
    found = counted(Compute("cpu"), [1], rounds=1)["architectures"]
    assert {name: (one["parameters"], one["flops"]) for name, one in found.items()} == {
        name: (load_costs().of[name].parameters, load_costs().of[name].flops) for name in found
    }
    assert found[REFERENCE]["speed"] == {"1": 1.0}
