"""The commands that repeat a result: the parser takes them, the weights and the sample are the very same."""

import shlex

import numpy as np
import pytest

from eval.commands import heatmaps, score
from eval.probe import stratified
from leaderboard.again import commands, sample
from leaderboard.board import RESULTS_FOLDER
from leaderboard.record import Record, read_folder
from poster.cli import Parser
from tests.leaderboard.test_board import LABELS, result

COMMIT = "c" * 40
CONTRACT = {"architecture": "posterpp", "labels": LABELS, "channels": "bgr"}


def made(**changes):
    return Record.from_dict(result(**changes), id="one", model="ours")


def parsed(line):
    parser = Parser()
    score.add_arguments(parser)
    words = shlex.split(line)
    assert words[:4] == ["python", "-m", "eval", "score"]
    return parser.parse_args(words[4:])


def test_a_hub_submission_is_fetched_at_its_commit_checked_converted_and_scored():
    fetch, check, convert, last = commands(
        made(source=f"hub org/net@{COMMIT}/sub/model 1.pth", contract=CONTRACT, batch_size=64, device="cuda:0", dtype="bfloat16")
    )
    assert fetch == f"hf download org/net 'sub/model 1.pth' --revision {COMMIT} --local-dir ."
    assert check.startswith("sha256sum 'sub/model 1.pth'") and "a" * 64 in check
    assert f"--labels {','.join(LABELS)} --channels bgr" in convert
    given = parsed(last)
    assert (given.benchmark, given.protocol, given.data, given.device, given.dtype, given.batch_size) == ("ferplus", "majority", "DIR", "cuda", "bfloat16", 64)
    assert given.weights == shlex.split(convert)[5]


def test_heatmaps_are_measured_again_on_the_same_images():
    last = commands(made(source="file net.pth", analyses={"heatmaps": {"num_images": 120, "steps": 10, "seed": 3, "software": {"precision": "bfloat16"}}}))[-1]
    parser = Parser()
    heatmaps.add_arguments(parser)
    words = shlex.split(last)
    assert words[:4] == ["python", "-m", "eval", "heatmaps"]
    given = parser.parse_args(words[4:])
    assert (given.weights, given.benchmark, given.data, given.limit, given.steps, given.seed) == ("net.pth", "ferplus", "DIR", 120, 10, 3)
    assert given.dtype == "bfloat16"
    assert len(commands(made(analyses={"heatmaps": {"num_images": "all"}}))) == len(commands(made()))


def test_the_shipped_model_is_scored_where_it_lies():
    for record in read_folder(RESULTS_FOLDER):
        lines = commands(record)
        assert len(lines) == 2 + ("heatmaps" in record.analyses) and parsed(lines[1]).weights == f"poster/weights/{record.model}.safetensors"
        assert record.weights_sha256 in lines[0]


def test_the_self_test_needs_no_data_and_a_kept_file_stands_under_its_name():
    lines = commands(made(benchmark="sketch", protocol="self-test", source="file mine.pth"))
    assert parsed(lines[-1]).data is None and parsed(lines[-1]).weights == "mine.pth"


@pytest.mark.parametrize("count", [37, 100, 250, 333])
def test_the_sample_that_is_named_draws_the_same_images(count):
    record = made()
    targets = np.repeat(np.arange(len(LABELS)), np.array(record.confusion).sum(axis=1))
    drawn = stratified(targets, count)
    block = {"num_images": len(drawn), "points": [], "area_under_curve": 0.5}
    named = sample(made(analyses={"scale": block}))
    assert np.array_equal(stratified(targets, named), drawn)
    assert parsed(commands(made(analyses={"scale": block}))[-1]).analyses == "scale"


def test_all_images_need_no_sample():
    assert sample(made()) == 0 == sample(made(analyses={"scale": {"num_images": made().num_images, "points": [], "area_under_curve": 0.5}}))
