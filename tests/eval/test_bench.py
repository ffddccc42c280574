"""The benchmark command: real runs of its smallest part, and the arithmetic of its columns by hand."""

import json

import numpy as np
import pytest
import torch

import poster
from eval import bench
from eval.__main__ import main
from eval.bench import Row, peaks, row, timed
from eval.bench_data import loader, plain_loop
from poster.data.sketch import sketch_set
from poster.preprocess import to_input
from poster.shipped import SHIPPED, model_path


def test_the_columns_by_hand():
    plain, ours = [(4.0, 8.0), (6.0, 8.0), (5.0, 8.0)], [(2.0, 2.0), (2.0, 4.0), (1.0, 1.0)]
    found = row("x", plain, ours, images=10, flops=3, peak=60.0)
    assert (found.baseline, found.ours) == (2.0, 5.0)  # 10 images in the medians 5 s and 2 s
    assert (found.ratio, found.lowest, found.highest) == (3.0, 2.0, 5.0)  # of 2, 3 and 5: medians of ratios, round by round
    assert found.cpu_ratio == 4.0 and found.share == pytest.approx(5 * 3 / 60) and found.rounds == 3
    assert row("x", plain, ours, 10, 3, None).share is None


def test_turns_are_taken_and_time_ends_them():
    order: list[str] = []
    runs = {"a": lambda: order.append("a"), "b": lambda: order.append("b")}
    seconds = timed(runs, 3, float("inf"))
    assert order == ["a", "b"] * 4 and {name: len(values) for name, values in seconds.items()} == {"a": 3, "b": 3}
    assert [len(values) for values in timed(runs, 3, 0.0).values()] == [1, 1]


def test_bench_measures_every_runtime_here_and_writes_what_it_prints(tmp_path, capsys):
    assert main(["bench", "--quick", "--json", "--out", str(tmp_path / "bench.json")]) == 0
    answer = json.loads(capsys.readouterr().out)
    stored = json.loads((tmp_path / "bench.json").read_text())
    assert stored["rows"] == answer["rows"] and stored["setting"] == answer["setting"]
    whats = [one["what"] for one in answer["rows"]]
    for runtime in ("eager float32", "bf16 bfloat16"):
        assert f"posterpp_nano, batch 1, {runtime}" in whats
    for one in answer["rows"]:
        assert one["baseline"] > 0 and one["lowest"] <= one["ratio"] <= one["highest"]
    assert any("--data DIR" in note for note in answer["notes"])
    assert answer["setting"]["threads"] == torch.get_num_threads()


def test_peaks_count_the_work_that_was_done(monkeypatch):
    monkeypatch.setattr(bench, "PEAK_ROUNDS", 2)
    monkeypatch.setattr(bench, "timed", lambda runs, rounds, until: {"product": [(2.0, 0.0)], "convolution": [(1.0, 0.0), (0.5, 0.0)]})
    assert set(peaks()) == {"float32", "bfloat16"}
    # 4 images, 128 to 128 channels, 3 x 3, 56 x 56 places, two operations a multiply-add, in the best half second
    assert peaks()["float32"] == 2 * 4 * 128 * 128 * 9 * 56 * 56 / 0.5


def test_the_cache_is_faster_than_decoding():
    found = loader()
    assert isinstance(found, Row) and found.ratio > 2  # some twenty in truth


def test_the_plain_loop_counts_what_an_evaluation_counts():
    images = sketch_set().take(list(range(0, 256, 16)))
    model = poster.load_model(model_path(SHIPPED))
    pixels = np.stack([images.source.read(index) for index in range(len(images))])
    with torch.inference_mode():
        right = (model(to_input(pixels, model.contract)).argmax(1).numpy() == images.targets).mean()
    assert plain_loop(model_path(SHIPPED), images) == pytest.approx(100 * right)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_without_a_gpu_the_sweep_is_refused(capsys):
    assert main(["bench", "--device", "cuda"]) == 2
    assert "the device 'cuda' is not available here; use cpu" in capsys.readouterr().err


def test_a_plan_has_both_networks_at_both_batches():
    assert {(name, batch) for name in ("posterpp_nano", "posterpp", "poster_large") for batch in (1, 32)} == set(bench.PLAN)
