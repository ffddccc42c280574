"""The whole score sheet against scikit-learn, the stored predictions, and what is undefined."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as reference

from eval.predictions import Predictions, ResultError
from eval.scores import score

LABELS = ("neutral", "happiness", "sadness", "contempt")


def predictions(images: int = 200, seed: int = 0, votes: bool = False) -> Predictions:
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 4, images)
    probabilities = rng.dirichlet(np.ones(4), images) * 0.5 + 0.5 * np.eye(4)[np.where(rng.random(images) < 0.6, targets, rng.integers(0, 4, images))]
    shares = rng.dirichlet(np.ones(4), images) if votes else None
    return Predictions(LABELS, tuple(f"i{n}" for n in range(images)), targets, probabilities, shares, shares.max(1) if votes else None)


def test_every_score_against_scikit_learn_on_the_parquet(tmp_path):
    made = predictions(votes=True)
    made.write(tmp_path / "p.parquet", {"benchmark": "made"})
    sheet = score(Predictions.read(tmp_path / "p.parquet"))
    table = pd.read_parquet(tmp_path / "p.parquet")
    probabilities, true = table[list(LABELS)].to_numpy(), table["target"].to_numpy()
    predicted = probabilities.argmax(1)
    expected = {
        "accuracy": reference.accuracy_score(true, predicted),
        "mean_class_accuracy": reference.balanced_accuracy_score(true, predicted),
        "macro_f1": reference.f1_score(true, predicted, average="macro"),
        "weighted_f1": reference.f1_score(true, predicted, average="weighted"),
        "cohen_kappa": reference.cohen_kappa_score(true, predicted),
        "top2_accuracy": reference.top_k_accuracy_score(true, probabilities, k=2),
        "log_loss": reference.log_loss(true, probabilities),
    }
    assert {name: sheet.scores[name] for name in expected} == pytest.approx(expected)
    assert sheet.scores["annotator_ceiling"] == pytest.approx(table["agreement"].mean())
    assert sheet.scores["soft_cross_entropy"] > sheet.scores["vote_entropy"]
    assert np.array(sheet.confusion).tolist() == reference.confusion_matrix(true, predicted).tolist()
    for name, (low, high) in sheet.intervals.items():
        assert low <= sheet.scores[name] <= high
    assert table.columns[:3].tolist() == ["index", "key", "target"]
    assert [row.recall for row in sheet.per_class] == pytest.approx(reference.recall_score(true, predicted, average=None))


def test_the_parquet_gives_back_the_very_numbers(tmp_path):
    made = predictions()
    made.write(tmp_path / "p.parquet", {})
    again = Predictions.read(tmp_path / "p.parquet")
    assert (again.probabilities == made.probabilities).all()
    assert again.keys == made.keys
    assert again.votes is None
    assert score(again) == score(made)


def test_a_model_that_lacks_a_class():
    made = predictions()
    probabilities = made.probabilities.copy()
    probabilities[:, 3] = 0
    probabilities /= probabilities.sum(1, keepdims=True)
    sheet = score(Predictions(LABELS, made.keys, made.targets, probabilities))
    count = int((made.targets == 3).sum())
    assert sheet.scores["log_loss"] is None
    assert f"probability 0 on {count} of 200" in sheet.undefined["log_loss"]
    assert "log_loss" not in sheet.intervals
    assert any("Never predicted: contempt" in note for note in sheet.notes)
    assert sheet.per_class[3].precision == 0
    json.dumps(sheet.to_json(), allow_nan=False)


def test_a_class_without_images_is_left_out_and_named():
    made = predictions()
    kept = made.targets != 2
    sheet = score(Predictions(LABELS, tuple(np.array(made.keys)[kept]), made.targets[kept], made.probabilities[kept]))
    true, predicted = made.targets[kept], made.probabilities[kept].argmax(1)
    assert sheet.scores["mean_class_accuracy"] == pytest.approx(reference.recall_score(true, predicted, labels=[0, 1, 3], average="macro"))
    assert (sheet.per_class[2].recall, sheet.per_class[2].f1, sheet.per_class[2].recall_interval) == (None, None, None)
    assert "No image shows sadness" in sheet.notes[0]
    json.dumps(sheet.to_json(), allow_nan=False)


def test_one_image():
    sheet = score(Predictions(LABELS, ("a",), np.array([1]), np.array([[0.1, 0.7, 0.1, 0.1]])))
    assert sheet.scores["accuracy"] == 1
    assert sheet.scores["cohen_kappa"] is None
    assert "chance already agrees" in sheet.undefined["cohen_kappa"]
    assert sheet.intervals["accuracy"][0] < 0.3
    json.dumps(sheet.to_json(), allow_nan=False)


def test_a_constant_predictor():
    targets = np.arange(40) % 4
    sheet = score(Predictions(LABELS, tuple(map(str, range(40))), targets, np.tile([0.7, 0.1, 0.1, 0.1], (40, 1))))
    assert sheet.scores["accuracy"] == 0.25
    assert sheet.scores["cohen_kappa"] == pytest.approx(0)
    assert sheet.scores["mean_class_accuracy"] == 0.25


def test_no_score_is_ever_nan():
    for made in (predictions(3, seed) for seed in range(20)):
        sheet = score(made, resamples=50)
        assert all(value is None or math.isfinite(value) for value in sheet.scores.values())
        assert {name for name, value in sheet.scores.items() if value is None} == set(sheet.undefined)


@pytest.mark.parametrize(
    ("probabilities", "sentence"),
    [
        (np.array([[0.5, 0.5, 0.5, 0.5]]), "sum to 1"),
        (np.array([[np.nan, 0.5, 0.25, 0.25]]), "finite"),
        (np.array([[-0.5, 0.5, 0.5, 0.5]]), "at least 0"),
        (np.zeros((2, 4)), "need 1 targets"),
    ],
)
def test_predictions_check_themselves(probabilities, sentence):
    with pytest.raises(ResultError, match=sentence):
        Predictions(LABELS, ("a",), np.array([0]), probabilities)


def test_no_predictions_and_broken_files(tmp_path):
    with pytest.raises(ResultError, match="at least one image"):
        Predictions(LABELS, (), np.zeros(0, int), np.zeros((0, 4)))
    (tmp_path / "x.parquet").write_bytes(b"no")
    with pytest.raises(ResultError, match="not a Parquet file"):
        Predictions.read(tmp_path / "x.parquet")
    with pytest.raises(ResultError, match="missing"):
        Predictions.read(tmp_path / "y.parquet")
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "z.parquet")
    with pytest.raises(ResultError, match="lacks the columns"):
        Predictions.read(tmp_path / "z.parquet")
