"""What a result carries beside its confusion matrix: kept as it was measured, and refused in any other shape."""

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboard.board import RESULTS_FOLDER
from leaderboard.evidence import EvidenceError, checked_analyses, checked_contract, checked_copies, checked_reliability, numbers, plain_text
from leaderboard.record import Record, read_folder

POINT = {"accuracy": 0.8, "interval": [0.7, 0.9]}
BLOCKS = {
    "scale": {"num_images": 9, "points": [{"size": 16, **POINT}], "area_under_curve": 0.7},
    "robustness": {"num_images": 9, "clean": POINT, "mean_corruption_accuracy": 0.5, "curves": {"blur": [{"severity": 1, **POINT}]}},
    "quality": {"num_images": 9, "correlation": None, "quartiles": [{"quality": "low", "images": 3, **POINT}]},
    "geometry": {"classes": ["fear", "anger"], "centroid_cosine": [[1.0, 0.2], [0.2, 1.0]], "inter_class_similarity": 0.2, "within_between": None},
    "heatmaps": {"methods": {"features": {"deletion": 0.3, "insertion": 0.6}}, "best": "features"},
    "left_out": {"copies": "It failed (ValueError)."},
}
RELIABILITY = {"counts": [0, 3], "confidence": [None, 0.9], "accuracy": [None, 0.8]}


def test_the_committed_results_keep_what_came_with_them():
    records = list(read_folder(RESULTS_FOLDER))
    assert records
    for record in records:
        said = json.loads((RESULTS_FOLDER / f"{record.id}.json").read_text())
        assert record.reliability == {name: said["reliability"][name] for name in ("counts", "confidence", "accuracy")}
        words = {name: plain_text(said["contract"][name]) for name in ("source", "licence")}
        assert record.analyses["geometry"] == said["analyses"]["geometry"] and record.contract == {**said["contract"], **words}
        assert record.copies == {name: said["diagnosis"]["copies"][name] for name in record.copies} and record.copies
        assert Record.from_dict(json.loads(json.dumps(record.to_dict()))) == record
        assert "plane" not in record.analyses, "points of single images stay where they were measured"


def test_every_block_is_kept_as_it_is_and_unknown_ones_are_dropped():
    assert checked_analyses({**BLOCKS, "plane": {"rows": [1]}, "verification": {"accuracy": 1}}) == BLOCKS
    assert checked_analyses({"geometry": {"undefined": "fewer than two classes"}}) == {} == checked_reliability({}) == checked_contract(None)
    assert checked_analyses({"left_out": {}}) == {}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("scale", "points", 0, "size"), "16"), (("scale", "points", 0, "accuracy"), 1.2), (("scale", "points", 0, "interval"), [0.1]),
        (("scale", "points"), None), (("scale", "points"), [1]), (("robustness", "curves", "<b>"), []), (("robustness", "clean", "accuracy"), float("nan")),
        (("robustness", "curves"), [[1]]), (("quality", "quartiles", 0, "quality"), "<script>"), (("quality", "quartiles", 0, "images"), True),
        (("geometry", "centroid_cosine"), [[1.0]]), (("geometry", "classes"), ["a"] * 500), (("geometry", "silhouette"), "x"),
        (("heatmaps", "best"), "<img src=x>"), (("heatmaps", "deep"), [[[[[[[1]]]]]]]), (("heatmaps",), "x"),
        (("left_out", "copies"), "<b>"), (("left_out",), "x"),
    ],
)  # fmt: skip
def test_another_shape_is_refused(path, value):
    blocks = copy.deepcopy(BLOCKS)
    place = blocks
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    with pytest.raises(EvidenceError):
        checked_analyses(blocks)


@pytest.mark.parametrize(
    "value",
    [
        {"counts": [1]}, {**RELIABILITY, "counts": [1]}, {**RELIABILITY, "counts": [2, 3]}, {**RELIABILITY, "accuracy": [None, 7]},
        {**RELIABILITY, "counts": [-1, 3]}, [1], "x",
    ],
)  # fmt: skip
def test_another_reliability_is_refused(value):
    assert checked_reliability(RELIABILITY) == RELIABILITY
    with pytest.raises(EvidenceError):
        checked_reliability(value)


@pytest.mark.parametrize("value", [{"labels": ["fear"]}, {"architecture": "<b>", "labels": ["fear"]}, {"architecture": "x", "labels": ["joy"]}, "x", [1]])
def test_another_contract_is_refused(value):
    with pytest.raises(EvidenceError):
        checked_contract(value)


def test_a_submitters_words_cost_no_result():
    given = {"architecture": "posterpp_nano", "labels": ["fear", "anger"], "source": "D'Angelo <b>2023</b>;\n", "licence": "l" * 400}
    assert checked_contract(given) == {**given, "source": "D'Angelo b2023/b,", "licence": "l" * 300}
    with pytest.raises(EvidenceError):
        checked_contract({**given, "source": ["<b>"]})


def test_a_reason_holds_what_a_result_may_hold():
    assert plain_text("a `b`; <c>\n\x1bd'e") == "a b, cd'e" and len(plain_text("x" * 999)) == 300


def test_counts_of_copies():
    assert checked_copies({"exact": 3, "near": None, "accuracy_without": 0.5, "exact_keys": ["a"]}) == {"exact": 3, "near": None, "accuracy_without": 0.5}
    with pytest.raises(EvidenceError):
        checked_copies({"exact": -1})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*BLOCKS, "points", "curves", "clean", "x"]), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_whatever_comes_is_kept_or_refused_in_words(value):
    for check in (checked_analyses, checked_reliability, checked_contract, checked_copies, lambda one: numbers(one, "it")):
        try:
            json.dumps(check(value), allow_nan=False)
        except EvidenceError as error:
            assert str(error)
