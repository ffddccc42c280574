"""The ablation's page: intervals that hold what they promise, sentences that follow from them, numbers that come from the records."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import accuracy_score, recall_score

from eval import ablation_page
from eval.__main__ import main
from eval.ablation import Estimate, compare, estimate
from eval.ties import holm
from poster.errors import InputError
from poster.models import NANO_STREAMS, create_model
from poster.training.arms import ARMS, BASE, NARROW, Plan
from poster.training.record import Answers, Record

POSTERS = ("poster-small", "poster-base", "poster-large")
HEADS = ("linear", "adaface-m04-s64", "arcface-m04-s64", "cosface-m035-s64")


def record(arm: str, seed: int, right: float, images: int = 400, follows: float = 0.1, **values: Any) -> Record:
    """A run that names the right label of a picture with probability ``right``; the same pictures are hard for every arm."""
    rng = np.random.default_rng(0)
    labels, hard = rng.integers(0, 8, images), rng.random(images)
    chance = np.random.default_rng((seed, len(arm), int(1000 * right)))
    named = np.where(hard + chance.normal(0, 0.05, images) < right, labels, (labels + 1) % 8)
    answers = Answers.of(np.arange(images) + 32000, labels, 3 * np.eye(8)[named] + chance.normal(0, 0.1, (images, 8)))
    curve = {"accuracy": [0.3, right], "loss": [2.0, 1.5], "train_loss": [2.0, 1.0], "spearman_fused": [0.0, follows], "spearman_image": [0.5, 0.5]}
    recipe = json.loads(json.dumps(dataclasses.asdict(Plan(BASE).recipe(arm, seed))))
    given = {"arm": arm, "seed": seed, "recipe": recipe, "streams": "", "sample": 1000, "model": {}, "curve": curve, "fusion": ARMS[arm].fusion}
    return Record(**given | values, test=answers, validation=answers)


def records(rates: dict[str, float], seeds: tuple[int, ...] = (1, 2, 3), **values: Any) -> list[Record]:
    return [record(arm, seed, right, **values) for arm, right in rates.items() for seed in seeds]


def test_one_seed_is_the_plain_t_interval_of_the_pictures() -> None:
    values = np.random.default_rng(0).normal(0.2, 1, (1, 50))
    found, expected = estimate(values), stats.ttest_1samp(values[0], 0)
    interval = expected.confidence_interval(0.95)
    assert (found.low, found.high, found.p_value) == pytest.approx((interval.low, interval.high, expected.pvalue))


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    """Seeds and pictures both move the mean: 95 % intervals hold the truth in 93 to 100 % of 600 worlds, those of the pictures alone far less often."""
    rng, truth, covered, naive = np.random.default_rng(1), 0.3, 0, 0
    for _ in range(600):
        values = truth + rng.normal(0, 0.1, (3, 1)) + rng.normal(0, 0.7, (1, 200)) + rng.normal(0, 0.5, (3, 200))
        both, pictures = estimate(values), estimate(values.mean(axis=0, keepdims=True))
        covered += both.low <= truth <= both.high
        naive += pictures.low <= truth <= pictures.high
    assert 0.93 <= covered / 600 <= 1 and naive / 600 < 0.9


def test_no_variation_is_certain() -> None:
    assert estimate(np.zeros((3, 10))) == Estimate(0, 0, 0, 1)


def test_scores_are_those_of_scikit_learn() -> None:
    given = records({"linear": 0.8, "arcface-m04-s64": 0.7})
    found = compare(given)
    for arm in found.heads:
        runs = [(one.test.labels, one.test.log_probabilities.argmax(1)) for one in given if one.arm == arm.name]
        assert arm.accuracy.value == pytest.approx(np.mean([accuracy_score(*run) for run in runs]))
        assert arm.mean_class_accuracy == pytest.approx(np.mean([recall_score(*run, average="macro") for run in runs]))
    linear, arcface = found.heads
    assert arcface.ahead is not None and arcface.ahead.value == pytest.approx(arcface.accuracy.value - linear.accuracy.value)
    assert linear.ahead is None and arcface.holm == arcface.ahead.p_value


@pytest.mark.parametrize(
    ("rates", "says", "better"),
    [
        (dict.fromkeys(HEADS, 0.8), "A quality-adaptive margin makes no difference", []),
        ({"linear": 0.7, "adaface-m04-s64": 0.9, "arcface-m04-s64": 0.7}, "A quality-adaptive margin helps here: adaface-m04-s64", ["adaface-m04-s64"]),
        ({"linear": 0.9, "adaface-m04-s64": 0.7, "arcface-m04-s64": 0.9}, "A quality-adaptive margin does not help here: adaface-m04-s64", []),
        ({"linear": 0.9, "adaface-m04-s64": 0.7, "cosface-m035-s64": 0.9}, "adaface-m04-s64 is behind cosface-m035-s64", []),
    ],
)
def test_the_answer_follows_from_the_intervals(rates: dict[str, float], says: str, better: list[str]) -> None:
    found = compare(records(rates))
    assert says in ablation_page.answer(found)
    assert [arm.name for arm in ablation_page.better(found)] == better
    assert ("becomes a recipe of its own" in ablation_page.answer(found)) == (not better)


@pytest.mark.parametrize(("follows", "says"), [(0.1, "hardly knows"), (0.6, "follows"), (-0.6, "runs against")])
def test_the_answer_says_whether_the_norm_knows_the_quality(follows: float, says: str) -> None:
    curve = {"accuracy": [0.8], "spearman_fused": [follows], "spearman_image": [0.0]}
    assert f"which the head reads, {says} the picture's quality" in ablation_page.answer(compare(records(dict.fromkeys(HEADS[:2], 0.8), curve=curve)))


@pytest.mark.parametrize(
    ("rates", "says"),
    [
        ((0.8, 0.8, 0.8, 0.8), ["makes no difference that this many pictures", "poster-large from poster-base (", "cannot be told apart from POSTER++'s"]),
        ((0.6, 0.6, 0.75, 0.9), ["helps here: poster-base is ahead of poster-small", "POSTER++'s fusion helps here: poster-base (", "it, in points"]),
        ((0.9, 0.9, 0.9, 0.7), ["harms here: poster-large is behind poster-small", "does not help here: poster-large (", "falls behind POSTER++'s"]),
        ((0.7, 0.7, 0.9, 0.7), ["helps and harms, by where one starts"]),
    ],
)
def test_whether_depth_helps_follows_from_the_intervals(rates: tuple[float, ...], says: list[str]) -> None:
    found = compare(records(dict(zip(("linear", *POSTERS), rates, strict=True)), model=NARROW))
    told = ablation_page.fusion_answer(found)
    assert all(words in told for words in says), told
    assert ablation_page.answer(found) == "" and [arm.name for arm in found.fusions] == list(POSTERS)


def test_heads_and_fusions_are_corrected_each_by_themselves() -> None:
    heads, fusions = {"linear": 0.75, "adaface-m04-s64": 0.8, "arcface-m04-s64": 0.78}, {"poster-small": 0.77, "poster-base": 0.76, "poster-large": 0.79}
    alone, both = compare(records(heads, model=NARROW)), compare(records(fusions | heads, model=NARROW))
    assert both.heads == alone.heads and both.pairs == alone.pairs and ablation_page.answer(both) == ablation_page.answer(alone) != ""
    assert [arm.holm for arm in both.fusions] == holm([arm.ahead.p_value for arm in both.fusions if arm.ahead])
    assert [(one, other) for one, other, _, _ in both.depths] == [
        ("poster-base", "poster-small"),
        ("poster-large", "poster-small"),
        ("poster-large", "poster-base"),
    ]
    assert [p for *_, p in both.depths] == holm([each.p_value for _, _, each, _ in both.depths])
    deeper = {arm.name: arm.accuracy.value for arm in both.fusions}
    assert all(each.value == pytest.approx(deeper[one] - deeper[other]) for one, other, each, _ in both.depths)


def test_the_parameters_are_those_of_fusion_and_head() -> None:
    found = compare(records(dict.fromkeys(("linear", "adaface-m04-s64", *POSTERS), 0.8), (1,), model=NARROW))
    streams = ("image_stream", "landmark_stream", "align")
    expected = {}
    for name, architecture in zip(("linear", *POSTERS), ("posterpp_nano", "poster_small", "poster_base", "poster_large"), strict=True):
        options = NARROW if name == "linear" else {"embed_dim": NARROW["embed_dim"], **NANO_STREAMS}
        model = create_model(architecture, num_classes=8, **options)
        expected[name] = sum(value.numel() for key, value in model.named_parameters() if not key.startswith(streams))
    assert {arm.name: arm.parameters for arm in (found.heads[0], *found.fusions)} == expected
    assert found.heads[1].parameters == expected["linear"] - 8  # a cosine head has no bias
    assert [arm.depth for arm in (*found.heads, *found.fusions)] == [0, 0, 4, 6, 8]


def test_what_does_not_belong_together_is_refused() -> None:
    both = records(dict.fromkeys(HEADS[:2], 0.8))
    with pytest.raises(InputError, match="different seeds"):
        compare(both[:-1])
    with pytest.raises(InputError, match="needs the arm linear"):
        compare(both[3:])
    with pytest.raises(InputError, match="other values"):
        compare([*both[:-1], dataclasses.replace(both[-1], recipe=both[-1].recipe | {"lr": 0.5})])
    with pytest.raises(InputError, match="other pictures"):
        compare([*both[:-1], record(HEADS[1], 3, 0.8, images=300)])


def test_the_command_writes_a_page_from_the_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = json.loads(json.dumps(dataclasses.asdict(Plan(BASE.override(["auxiliary=0", "steps=50", "augmentation.noise=0"])).recipe("linear", 1))))
    for one in records(dict.fromkeys((*HEADS, *POSTERS), 0.8), streams="posterpp_nano (sha256 012345678901)", model=NARROW):
        own = recipe | {"seed": one.seed, "head": one.recipe["head"], "about": "described otherwise since"}
        dataclasses.replace(one, recipe=own).write(tmp_path / f"{one.arm}-{one.seed}.npz")
    assert max(path.stat().st_size for path in tmp_path.iterdir()) < 100_000
    out = tmp_path / "page.md"
    assert main(["ablation", str(tmp_path), "--out", str(out), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    text = out.read_text()
    assert answer["answer"] in text and answer["fusion_answer"] in text and text.index("## Does a deeper fusion help?") < text.index(answer["fusion_answer"])
    assert "take the file with the checksum above" in text  # no model of that checksum is shipped
    assert all(f"| {name} | {arm['parameters']:,} | {100 * arm['accuracy']['value']:.2f} [" in text for name, arm in zip(HEADS, answer["arms"], strict=True))
    assert "--streams posterpp_nano --set steps=50 --set augmentation.noise=0.0\n" in text and "The streams are held" in text
    for name, arms, rows in (("page.svg", HEADS, 0), ("page-fusions.svg", ("linear", *POSTERS), 3)):
        drawing = ElementTree.fromstring((tmp_path / name).read_text())  # noqa: S314, our own text
        words = [node.text or "" for node in drawing.iter() if node.tag.endswith("}text")]
        assert sum(node.tag.endswith("polyline") for node in drawing.iter()) == 3 * len(arms) and f"({name})" in text
        assert sum(word in arms for word in words) == len(arms) and sum(" ahead of poster-" in word for word in words) == rows


def test_a_folder_without_runs_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ablation", str(tmp_path)]) == 2
    assert "holds no runs" in capsys.readouterr().err
