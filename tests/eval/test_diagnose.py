"""The diagnosis names what was done to a good checkpoint, and is silent about a good one and about an honest bad one."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.diagnose import best_relabelling, better_trial, check_collapse, check_labels, diagnose
from eval.inference import infer
from eval.load import Loaded
from eval.mapping import LabelMap
from eval.predictions import Predictions
from eval.probe import alternatives, normalisation_name, probe_contracts, stratified
from eval.run import evaluate_model
from poster.contract import IMAGENET_MEAN, IMAGENET_STD
from poster.data.images import ArraySource
from poster.labels import EXPRESSIONS, ORDERS
from tests.eval.conftest import CONTRACT

ROLLED = EXPRESSIONS[3:] + EXPRESSIONS[:3]
HALF = {"mean": (0.5,) * 3, "std": (0.5,) * 3}


def problems(model, contract, data, compute, folder, self_test=False):
    data = dataclasses.replace(data, benchmark=dataclasses.replace(data.benchmark, self_test=self_test))
    return evaluate_model(model, contract, "0" * 64, data, folder / "r.json", compute).result.diagnosis


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"labels": ROLLED}, ["permuted labels"]),
        ({"channels": "bgr"}, ["wrong channel order"]),
        ({"channels": "bgr", "labels": ROLLED}, ["wrong channel order", "permuted labels"]),
        ({"mean": (0.0,) * 3, "std": (1 / 255,) * 3}, ["wrong normalisation"]),
    ],
)
def test_what_was_done_to_the_checkpoint(small_net, sketch, cpu, tmp_path, changes, expected):
    found = problems(small_net, CONTRACT.replace(**changes), sketch, cpu, tmp_path)
    assert found["problems"] == expected
    assert found["held_back"] == bool(expected)
    if "labels" in changes and len(changes) == 1:
        assert tuple(found["likely_contract"]["labels"]) == EXPRESSIONS
        assert found["labels"]["relabelled"] - found["labels"]["declared"] > 0.5
    if "channels" in changes:
        assert found["likely_contract"]["channels"] == "rgb"
        assert "fed RGB" in found["sentence"]


def test_grey_pictures_cannot_tell_channel_orders_apart(small_net, sketch, cpu, tmp_path):
    grey = np.rint(sketch.images.source.array.mean(axis=3)).astype(np.uint8)
    data = Loaded(sketch.benchmark, dataclasses.replace(sketch.images, source=ArraySource(grey)), "e" * 64, ())
    found = problems(small_net, CONTRACT, data, cpu, tmp_path)
    assert not found["channels_testable"]
    assert "channel order cannot be tested" in found["sentence"]


@pytest.mark.parametrize("declared", ["rgb", "bgr"])
def test_a_grey_network_fed_colours(cpu, declared):
    """The shipped model is one. Here the class is the brightness of a coloured square, and the network looks at one channel only."""
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 8, 400)
    colours = rng.uniform(0, 255, (400, 3))
    colours *= (targets * 16 + 40)[:, None] / (colours @ (0.299, 0.587, 0.114))[:, None]
    fits = (colours <= 255).all(axis=1)
    pixels, targets = np.rint(colours[fits]).astype(np.uint8)[:, None, None].repeat(4, 1).repeat(4, 2), targets[fits]
    plain = CONTRACT.replace(mean=(0.0,) * 3, std=(1 / 255,) * 3, channels=declared)

    class OneChannel(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return -((x[:, 0].mean(dim=(1, 2))[:, None] - (torch.arange(8) * 16 + 40)) ** 2)

    labels = LabelMap.of(EXPRESSIONS, EXPRESSIONS)
    logits = infer(OneChannel(), pixels, plain, cpu, ("x",) * len(pixels)).logits
    better = better_trial(probe_contracts(OneChannel(), plain, labels, pixels, targets, logits, cpu))
    assert (better.channels, better.normalisation) == ("grey", "0 to 255")
    assert better.accuracy > 0.95


def test_a_self_test_holds_nothing_back(small_net, sketch, cpu, tmp_path):
    found = problems(small_net, CONTRACT.replace(labels=ROLLED), sketch, cpu, tmp_path, self_test=True)
    assert found["problems"] == ["permuted labels"]
    assert not found["held_back"]


def made(confusion: np.ndarray, labels=EXPRESSIONS) -> Predictions:
    pairs = [(t, p) for t, row in enumerate(confusion) for p, count in enumerate(row) for _ in range(count)]
    true, predicted = (np.array(column) for column in zip(*pairs, strict=True))
    probabilities = np.full((len(true), len(labels)), 0.01)
    probabilities[np.arange(len(true)), predicted] = 1 - 0.01 * (len(labels) - 1)
    return Predictions(labels, tuple(map(str, range(len(true)))), true, probabilities)


def verdict(confusion: np.ndarray):
    return diagnose(made(confusion), CONTRACT, LabelMap.of(EXPRESSIONS, EXPRESSIONS), None)


def test_a_constant_predictor_is_constant_not_permuted():
    confusion = np.zeros((8, 8), int)
    confusion[:, 4] = [200, 50, 40, 30, 10, 20, 20, 10]
    found = verdict(confusion)
    assert found.problems == ("constant predictions",)
    assert "every image is called fear" in found.sentence


def test_a_collapsed_predictor():
    confusion = np.zeros((8, 8), int)
    confusion[:, 0], confusion[:, 1] = 40, 1
    assert verdict(confusion).problems == ("collapsed predictions",)


def test_two_classes_never_predicted_are_named_without_alarm():
    confusion = np.diag([300, 250, 100, 90, 80, 0, 20, 0])
    confusion[5, 6], confusion[7, 0] = 15, 12
    found = verdict(confusion)
    assert found.problems == ()
    assert found.collapse.never == ("disgust", "contempt")


def test_a_guessing_model_is_not_called_permuted():
    rng = np.random.default_rng(0)
    for images in (24, *[64] * 50, 300, 3000):
        true, predicted = rng.integers(0, 8, (2, images))
        confusion = np.zeros((8, 8), int)
        np.add.at(confusion, (true, predicted), 1)
        assert verdict(confusion).problems == ()


def test_one_class_only_in_the_set_says_nothing():
    confusion = np.zeros((8, 8), int)
    confusion[2, 2] = 300
    assert not check_collapse(confusion, EXPRESSIONS).collapsed
    confusion[2] = np.roll(confusion[2], 1)
    assert verdict(confusion).problems == ()


@settings(max_examples=30, deadline=None)
@given(st.permutations(range(7)))
def test_every_permutation_is_found_by_name(order):
    """A checkpoint whose outputs mean RAF-DB's labels, declared in another order."""
    true_order = ORDERS["raf-db"]
    declared = tuple(true_order[i] for i in order)
    rng = np.random.default_rng(0)
    confusion = np.zeros((7, 7), int)
    for target in rng.integers(0, 7, 600):
        says = target if rng.random() < 0.8 else rng.integers(0, 7)
        confusion[target, true_order.index(declared[says])] += 1
    found = check_labels(confusion, LabelMap.of(declared, true_order), collapsed=False)
    moved = sum(a != b for a, b in zip(declared, true_order, strict=True))
    assert found.permuted == (moved > 0)
    assert found.likely == true_order


@pytest.mark.parametrize(("one", "other"), [("fear", "disgust"), ("anger", "contempt")])
def test_two_swapped_rare_classes_are_named_although_accuracy_hardly_moves(one, other):
    """The confusion matrix of the shipped model on FERPlus; fear and disgust swapped cost 1.4 points."""
    true_order = ORDERS["ferplus"]
    confusion = np.array(
        [
            [920, 30, 21, 84, 28, 2, 3, 2], [27, 822, 15, 14, 12, 0, 3, 0], [25, 10, 343, 2, 4, 0, 12, 0], [94, 18, 8, 242, 13, 2, 6, 1],
            [24, 11, 6, 7, 220, 1, 4, 0], [1, 1, 1, 2, 7, 5, 1, 0], [4, 1, 29, 8, 1, 0, 40, 0], [4, 1, 0, 3, 4, 1, 0, 3],
        ]
    )  # fmt: skip
    declared = list(true_order)
    i, j = declared.index(one), declared.index(other)
    declared[i], declared[j] = other, one
    swapped = confusion.copy()
    swapped[:, [i, j]] = swapped[:, [j, i]]
    assert not check_labels(confusion, LabelMap.of(true_order, true_order), collapsed=False).permuted
    found = check_labels(swapped, LabelMap.of(tuple(declared), true_order), collapsed=False)
    assert found.permuted
    assert found.likely == true_order


def test_an_honest_model_without_contempt_is_not_called_permuted():
    """It says neutral where contempt is meant, more often than where neutral is: its own column for contempt is empty."""
    confusion = np.diag([250, 400, 300, 280, 260, 240, 250, 0])
    confusion[7, 0] = 400
    found = verdict(confusion)
    assert found.problems == ()


def test_the_declared_order_wins_ties():
    assert best_relabelling(np.zeros((4, 4), int)) == (0, 1, 2, 3)


def test_alternatives_are_plausible_and_different():
    found = list(alternatives(CONTRACT, grey_images=False))
    assert len(found) == 10
    assert len(set(found)) == 10
    assert CONTRACT not in found
    assert len(list(alternatives(CONTRACT, grey_images=True))) == 4
    own = CONTRACT.replace(mean=(0.1, 0.2, 0.3), std=(0.9,) * 3)
    assert len(list(alternatives(own, grey_images=False))) == 12
    assert normalisation_name(own) == "declared"
    assert normalisation_name(CONTRACT.replace(mean=IMAGENET_MEAN, std=IMAGENET_STD)) == "ImageNet"
    grey = list(alternatives(CONTRACT.replace(channels="grey"), grey_images=False))
    assert sorted(contract.channels for contract in grey) == ["bgr", *["grey"] * 4, "rgb"]


@pytest.mark.parametrize("count", [10, 64, 5000])
def test_a_stratified_sample_has_every_class(count):
    targets = np.repeat(np.arange(8), [500, 300, 100, 50, 20, 5, 3, 1])
    chosen = stratified(targets, count)
    assert set(targets[chosen]) == set(range(8))
    assert (np.diff(chosen) > 0).all()
    assert len(chosen) <= max(count + 8, 8)


def test_a_wrong_normalisation_costs_accuracy_at_all(small_net, sketch, cpu):
    pixels = np.stack([sketch.images.source.read(n) for n in range(64)])[:, ::3, ::3]
    right, wrong = (infer(small_net, pixels, CONTRACT.replace(**changes), cpu, ("x",) * 64).logits.argmax(1) for changes in ({}, HALF))
    assert (right != wrong).any()
