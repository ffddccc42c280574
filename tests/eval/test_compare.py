"""Two results: paired test and sentence; ranks of several; what cannot be compared."""

import dataclasses
import json

import numpy as np
import pytest

from eval.compare import compare, compare_files, rank_files, verdict
from eval.predictions import Predictions, ResultError
from eval.result import Result, load, save
from eval.scores import score
from eval.significance import McNemar
from poster.labels import EXPRESSIONS


def stored(folder, name: str, right: np.ndarray, benchmark: str = "raf-db", reverse: bool = False):
    """A result whose images are right or wrong as told."""
    targets = np.arange(len(right)) % 8
    probabilities = np.full((len(right), 8), 0.02)
    probabilities[np.arange(len(right)), np.where(right, targets, (targets + 1) % 8)] = 0.86
    order = np.arange(len(right))[::-1] if reverse else np.arange(len(right))
    predictions = Predictions(EXPRESSIONS, tuple(f"i{n}" for n in order), targets[order], probabilities[order])
    sheet = score(predictions, resamples=10)
    result = Result(
        benchmark,
        1,
        "test",
        "made",
        EXPRESSIONS,
        "0" * 64,
        name,
        sheet.confusion,
        f"{name}.parquet",
        "f" * 64,
        {},
        "cpu",
        "float32",
        1,
        32,
        0.1,
        "2025-01-01T00:00:00+00:00",
    )
    predictions.write(folder / f"{name}.parquet", {})
    save(result, sheet, folder / f"{name}.json")
    return folder / f"{name}.json"


def test_a_real_difference(tmp_path):
    right = np.arange(1000) % 10 != 0
    worse = right & (np.arange(1000) % 7 != 0)
    found = compare_files(stored(tmp_path, "a", right), stored(tmp_path, "b", worse, reverse=True))
    assert found.difference == pytest.approx(right.mean() - worse.mean())
    assert (found.test.only_a, found.test.only_b) == (int((right & ~worse).sum()), 0)
    assert found.interval[0] > 0
    assert found.verdict.startswith(f"A is better than B by {100 * found.difference:.2f} points")
    assert found.only_a[0] == "i7"
    assert found.agreement == pytest.approx((right == worse).mean())
    json.dumps(found.to_json(), allow_nan=False)


def test_a_difference_of_chance(tmp_path):
    a, b = np.arange(400) % 5 != 0, (np.arange(400) + 1) % 5 != 0
    b[:3] = False
    found = compare_files(stored(tmp_path, "a", a), stored(tmp_path, "b", b))
    assert "cannot be told from chance" in found.verdict
    assert found.interval[0] < 0 < found.interval[1]


def test_one_and_the_same(tmp_path):
    path = stored(tmp_path, "a", np.arange(50) % 3 != 0)
    found = compare_files(path, path)
    assert "exactly the same images" in found.verdict
    assert (found.agreement, found.test.p_value) == (1, 1)


def test_b_can_be_the_better_one(tmp_path):
    right = np.arange(600) % 10 != 0
    found = compare_files(stored(tmp_path, "a", right & (np.arange(600) % 3 != 0)), stored(tmp_path, "b", right))
    assert found.verdict.startswith("B is better than A by 30.")


def test_what_cannot_be_compared(tmp_path):
    a = stored(tmp_path, "a", np.ones(20, bool))
    with pytest.raises(ResultError, match="are different test sets"):
        compare_files(a, stored(tmp_path, "b", np.ones(20, bool), benchmark="caer-s"))
    with pytest.raises(ResultError, match="different images"):
        compare_files(a, stored(tmp_path, "c", np.ones(21, bool)))
    first = load(a)
    predictions = Predictions.read(tmp_path / "a.parquet")
    other = dataclasses.replace(predictions, targets=(predictions.targets + 1) % 8)
    with pytest.raises(ResultError, match="disagree about the true labels"):
        compare(first, predictions, first, other)


def test_ranks_of_several(tmp_path):
    count = np.arange(2000)
    paths = [stored(tmp_path, "good", count % 20 != 0), stored(tmp_path, "like", (count + 1) % 20 != 0), stored(tmp_path, "bad", count % 3 != 0)]
    rows = {row.name.split("/")[-1]: (row.rank, row.group) for row in rank_files(paths)}
    assert rows == {"good.json": (1, 1), "like.json": (1, 1), "bad.json": (3, 2)}
    with pytest.raises(ResultError, match="given twice"):
        rank_files([paths[0], paths[0]])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("[]", "no JSON object"), ("{", "not a JSON file"), ("{}", "missing or malformed"), ('{"schema": 99}', "reads up to")],
)
def test_files_that_are_no_results(tmp_path, text, sentence):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ResultError, match=sentence):
        load(tmp_path / "x.json")
    with pytest.raises(ResultError, match="there is no result file"):
        load(tmp_path / "y.json")


@pytest.mark.parametrize("confusion", [[[1, 0]], [[0, 0], [0, 0]], [[1.5, 0], [0, 1]], [[-1, 2], [0, 1]], [[True, 0], [0, 1]]])
def test_a_result_checks_its_confusion_matrix(tmp_path, confusion):
    fields = json.loads(stored(tmp_path, "a", np.ones(8, bool)).read_text())
    fields |= {"labels": ["fear", "anger"], "confusion": confusion}
    with pytest.raises(ResultError, match="confusion matrix"):
        Result.from_json(fields)


@pytest.mark.parametrize(
    ("accuracy", "interval", "text"),
    [
        ((0.80, 0.81), (-0.02, 0.001), "interval -0.10 to 2.00"),
        ((0.81, 0.80), (-0.001, 0.02), "interval -0.10 to 2.00"),
        ((0.9, 0.8), (0.05, 0.15), "5.00 to 15.00"),
    ],
)
def test_an_interval_that_reaches_past_zero_says_so(accuracy, interval, text):
    """McNemar and the bootstrap can disagree at the edge; the sentence must not hide it by dropping a sign."""
    assert text in verdict(accuracy, McNemar(1, 10, 0.01, "exact binomial"), interval)
