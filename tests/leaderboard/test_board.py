"""The table: intervals and scores against SciPy, scikit-learn and the published half-widths; hostile files skipped; tie groups."""

import json
import logging
import math
import random
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, chi2_contingency

from leaderboard.board import RESULTS_FOLDER, Row, grouped, interval_of, letter, load_board, make_board, measured_row, p_values
from leaderboard.claims import load_claims
from leaderboard.compute import load_costs
from leaderboard.record import MAX_RECORD_BYTES, Record, RecordError, parse_json, read_folder

LABELS = ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"]


def result(**changes):
    """The JSON of ``eval score`` with a plausible confusion matrix."""
    draw = random.Random(1)
    confusion = [[draw.randint(0, 9) + 80 * (i == j) for j in range(8)] for i in range(8)]
    data = {
        "benchmark": "ferplus", "version": 1, "protocol": "majority", "num_images": sum(map(sum, confusion)), "labels": LABELS, "confusion": confusion,
        "scores": {"accuracy": 0.999}, "intervals": {"accuracy": [0.9, 1.0]}, "weights_sha256": "a" * 64, "predictions": "/tmp/x/predictions.parquet",
        "diagnosis": {}, "software": {"torch": "2.13.0+cpu"}, "device": "cpu", "dtype": "float32", "seconds": 1.5,
    }  # fmt: skip
    return {**data, **changes}


@pytest.mark.parametrize("accuracy, images, half", [(92.21, 3068, 0.95), (67.3, 3500, 1.55), (64, 4000, 1.48), (91.6, 3153, 0.97), (93, 20987, 0.35)])
def test_half_widths_of_the_known_test_sets(accuracy, images, half):
    low, high = interval_of(accuracy, images)
    assert (high - low) / 2 == pytest.approx(half, abs=0.01)


@given(st.integers(1, 5000), st.data())
def test_wilson_equals_scipy(images, data):
    correct = data.draw(st.integers(0, images))
    expected = binomtest(correct, images).proportion_ci(method="wilson")
    assert interval_of(100 * correct / images, images) == pytest.approx((100 * expected.low, 100 * expected.high), abs=1e-9)


def test_no_interval_without_a_published_size():
    assert interval_of(90.0, 0) is None
    rows = load_board().of("vr-headset")
    assert rows and all(row.interval is None and row.tie_group == "" for row in rows)


def row(accuracy, images=3068, status="claimed", model="m"):
    return Row(model, "raf-db", "RAF-DB", "standard", accuracy, interval_of(accuracy, images), status, "x", "", images)


@given(st.integers(1, 400), st.integers(1, 400), st.integers(401, 900), st.integers(401, 900))
def test_the_difference_test_equals_the_chi_squared_test(k, j, n, m):
    expected = chi2_contingency([[k, n - k], [j, m - j]], correction=False).pvalue
    assert p_values(row(100 * k / n, n), [row(100 * j / m, m)], {}) == pytest.approx([expected], abs=1e-9)


def test_poster_and_its_successors_cannot_be_told_apart_on_raf_db():
    groups = {row.model: row.tie_group for row in load_board().of("raf-db")}
    assert groups["POSTER"] == groups["POSTER++"] == groups["DDAMFN++"] == groups["QCS"] == "a"
    assert groups["EAC"] > "a" and groups["PAtt-Lite"] == groups["ResEmoteNet"] == ""


def test_groups_follow_the_leader_and_pass_over_disputed_rows():
    rows = grouped([row(90.0), row(99.0, status="disputed"), row(92.5), row(91.5), row(80.0)], {})
    assert [(r.accuracy, r.tie_group) for r in rows] == [(99.0, ""), (92.5, "a"), (91.5, "a"), (90.0, "b"), (80.0, "c")]


def test_results_measured_on_the_same_images_are_told_apart_by_their_images():
    records = [Record.from_dict(result(model=id), id=id) for id in ("one", "two")]
    images = records[0].num_images
    board = make_board((), records)
    assert {row.tie_group for row in board.rows} == {"a"}, "the same accuracy, and no images to compare"
    better = np.arange(images) >= 20
    worse = np.arange(images) >= 40
    groups = {row.id: row.tie_group for row in make_board((), records, {"one": better, "two": worse}).rows}
    assert groups == {"one": "a", "two": "b"}


def test_measured_scores_come_from_the_confusion_matrix_as_scikit_learn_computes_them():
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is the independent reference")
    record = Record.from_dict(result(), id="one", model="ours")
    matrix = np.array(record.confusion)
    truth, guess = (np.repeat(index.ravel(), matrix.ravel()) for index in np.indices(matrix.shape))
    line = measured_row(record)
    assert line.accuracy == pytest.approx(100 * metrics.accuracy_score(truth, guess)) and line.accuracy != pytest.approx(99.9)
    assert line.mean_class_accuracy == pytest.approx(100 * metrics.balanced_accuracy_score(truth, guess))
    assert line.macro_f1 == pytest.approx(100 * metrics.f1_score(truth, guess, average="macro"))


def test_columns_that_a_result_brings_along():
    reliability = {"counts": [1, 3], "confidence": [0.5, 0.9], "accuracy": [0.5, 0.7]}
    curve = [{"severity": 1, "accuracy": 0.5, "interval": [0.4, 0.6]}]
    robust = {"num_images": 10, "clean": {"accuracy": 0.9, "interval": [0.8, 1.0]}, "mean_corruption_accuracy": 0.5, "curves": {"blur": curve}}
    data = result(reliability=reliability, analyses={"robustness": robust}, contract={"architecture": "posterpp", "labels": LABELS})
    line = measured_row(Record.from_dict(data, id="one", model="ours"))
    assert (line.calibration_error, line.corrupted, line.architecture) == (pytest.approx(15), 50, "posterpp")
    assert line.speed == 1 and line.flops == load_costs().of["posterpp"].flops and line.parameters == load_costs().of["posterpp"].parameters
    assert measured_row(Record.from_dict({**data, "parameters": 12}, id="one", model="ours")).parameters == 12
    twice = measured_row(Record.from_dict({**data, "contract": {**data["contract"], "mirror": True}}, id="one", model="ours"))
    assert twice.flops == 2 * line.flops and twice.speed == 0.5 and twice.parameters == line.parameters


def test_what_the_heatmaps_are_worth_is_a_column_where_it_was_measured():
    block = {"deletion_auc": 0.2, "insertion_auc": 0.8, "intervals": {"deletion_auc": [0.1, 0.3], "insertion_auc": [0.7, 0.9]}}
    line = measured_row(Record.from_dict(result(analyses={"heatmaps": block}), id="one", model="ours"))
    assert (line.deletion_auc, line.deletion_auc_low, line.deletion_auc_high) == (0.2, 0.1, 0.3)
    assert (line.insertion_auc, line.insertion_auc_low, line.insertion_auc_high) == (0.8, 0.7, 0.9)
    without = [{}, {"deletion_auc": 0.2}, {**block, "insertion_auc": "best"}, {**block, "deletion_auc": 7}, {**block, "intervals": [0, 1]}]
    without.append({**block, "intervals": {"deletion_auc": [0.3, 0.1], "insertion_auc": [0.7, 0.9]}})
    for wrong in without:
        line = measured_row(Record.from_dict(result(analyses={"heatmaps": wrong}), id="one", model="ours"))
        assert line.deletion_auc is line.insertion_auc is line.deletion_auc_low is None
    assert {row.deletion_auc for row in make_board(load_claims(), []).rows} == {None}


def test_a_model_has_its_rows_together_measured_ones_first():
    board = make_board(load_claims(), [Record.from_dict(result(), id="one", model="POSTER")])
    rows = board.model("POSTER")
    assert [row.status for row in rows] == ["measured", *["claimed"] * 4] and board.records["one"].model == "POSTER"
    assert board.model("nobody") == () and len({row.key for row in board.rows}) == len(board.rows)


def test_letters_go_on_after_z():
    assert [letter(group) for group in (1, 2, 26, 27, 52, 53)] == ["a", "b", "z", "aa", "az", "ba"]


def test_thousands_of_rows_are_grouped_in_seconds():
    start = time.process_time()
    rows = grouped([row(95 - place / 60) for place in range(2500)], {})
    assert time.process_time() - start < 8 and rows[0].tie_group == "a" and len({one.tie_group for one in rows}) > 5


def test_a_record_survives_json():
    record = Record.from_dict(result(parameters=12, model="POSTER++ nano", id="r1"))
    assert parse_json(json.dumps(record.to_dict()).encode()) == record
    assert record.predictions == "predictions.parquet", "paths of the machine that measured are not kept"


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "<script>alert(1)</script>"}, {"model": "=HYPERLINK(1)"}, {"benchmark": "../../etc"}, {"protocol": "<b>"}, {"weights_sha256": "x"},
        {"labels": ["happy"] * 8}, {"labels": LABELS[:7]}, {"confusion": [[1]]}, {"confusion": [[-1] * 8] * 8}, {"confusion": [[0] * 8] * 8},
        {"confusion": [[True] * 8] * 8}, {"confusion": [[0.5] * 8] * 8}, {"confusion": "x"}, {"confusion": None}, {"confusion": [[10**12] * 8] * 8},
        {"num_images": 1}, {"seconds": -1}, {"seconds": "1"}, {"seconds": math.nan}, {"parameters": -5}, {"version": "1"}, {"paper": "javascript:alert(1)"},
        {"device": "<img src=x>"}, {"software": {"a": "<b>"}}, {"software": 3}, {"labels": [["neutral"]]}, {"training_data": "[x](y)"},
        {"id": "../x"}, {"source": ["x"]},
    ],
)  # fmt: skip
def test_hostile_fields_are_refused(changes):
    with pytest.raises(ValueError):
        parse_json(json.dumps(result(**changes)).encode(), id="x", model="x")


@pytest.mark.parametrize("text", [b"", b"[]", b"null", b"{", b"\xff\xfe", b"[" * 100_000, b'{"a": 1}', b" " * (MAX_RECORD_BYTES + 1)])
def test_what_is_no_record_is_refused(text):
    with pytest.raises(ValueError):
        parse_json(text)


def test_hostile_files_are_skipped_with_a_log_line_and_the_rest_is_read(tmp_path, caplog):
    (tmp_path / "good.json").write_text(json.dumps(result()))
    (tmp_path / "bad.json").write_text(json.dumps(result(model="<b>")))
    (tmp_path / "deep.json").write_text("[" * 100_000)
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "huge.json").write_bytes(b" " * (MAX_RECORD_BYTES + 1))
    with caplog.at_level(logging.WARNING):
        records = list(read_folder(tmp_path))
    assert [record.model for record in records] == ["good"]
    assert len(caplog.records) == 4 and "<b>" not in caplog.text


def test_the_board_holds_claims_and_measurements_of_one_benchmark_side_by_side(tmp_path):
    (tmp_path / "posterpp_nano.json").write_text(json.dumps(result()))
    board = load_board(tmp_path)
    assert len(board.rows) == len(load_claims()) + 1
    assert {row.status for row in board.of("ferplus")} == {"claimed", "disputed", "measured"}
    frame = board.to_frame()
    assert len(frame) == len(board.rows) and frame.loc[frame.status == "measured", "low"].notna().all()
    assert board.benchmarks[:2] == ("ferplus", "raf-db"), "a benchmark with something measured comes first, then the one with most rows"
    assert make_board(load_claims(), ()).benchmarks[0] == "raf-db"


def test_the_same_result_twice_is_one_row_and_the_self_test_comes_last():
    record = Record.from_dict(result(benchmark="sketch", protocol="standard"), id="one", model="ours")
    board = make_board(load_claims(), [record, record])
    assert len(board.of("sketch")) == 1 and board.benchmarks[-1] == "sketch"


def test_a_hub_submission_links_to_the_commit_it_was_pinned_to():
    source = f"hub org/net@{'a' * 40}/model.pth"
    assert measured_row(Record.from_dict(result(source=source), id="one", model="m")).link == f"https://huggingface.co/org/net/tree/{'a' * 40}"
    assert measured_row(Record.from_dict(result(source="file x"), id="one", model="m")).link == ""


def test_every_committed_result_is_read():
    committed = sorted(RESULTS_FOLDER.glob("*.json"))
    assert [record.id for record in read_folder(RESULTS_FOLDER)] == [json.loads(path.read_text()).get("id", path.stem) for path in committed]


def test_board_and_figures_import_without_torch():
    code = "import sys, leaderboard.board, leaderboard.figures; print([m for m in ('torch', 'gradio', 'scipy') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_record_errors_are_value_errors():
    assert issubclass(RecordError, ValueError)
