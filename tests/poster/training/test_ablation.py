"""The ablation: arms differ in head or fusion alone, a run does not depend on what runs beside it, and what it leaves can be read again."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import log_softmax

from poster.__main__ import main
from poster.commands import ablate as command
from poster.errors import InputError
from poster.heads import AdaFaceHead
from poster.poster_v1 import PosterV1
from poster.training import ablation
from poster.training.arms import ARMS, BASE, NARROW, Plan
from poster.training.data import TrainingData
from poster.training.record import Answers, Record, as_today
from tests.poster.training.made_up import TINY, bright_eighths

SHORT = BASE.override(["epochs=2", "batch_size=16", "steps=3", "bf16=false", "ema=0.5", "lr=3e-3", "head.t_alpha=0.1"])
BOTH = ("linear", "adaface-m04-s64")


@pytest.fixture(scope="module")
def data() -> TrainingData:
    """Eight classes told apart by which eighth of the picture is bright; the last 24 pictures are the test split."""
    images, labels = bright_eighths(152)
    return TrainingData(images, np.eye(8, dtype=np.float32)[labels], labels, np.arange(96), np.arange(96, 128))


def ablate(data: TrainingData, out: Path, arms: tuple[str, ...] = BOTH, resume: bool = False, **values: Any) -> list[Record]:
    plan = Plan(**{"base": SHORT, "arms": arms, "seeds": (1,), "sample": 20, "model": TINY} | values)

    def test_split() -> ablation.Test:
        checkpoints = [torch.load(path, weights_only=True) for path in out.glob("*.pt")]
        assert [len(checkpoint["rows"]) for checkpoint in checkpoints] == [plan.base.epochs] * len(checkpoints) != []  # not read before all epochs are over
        return np.arange(128, 152), data.labels[128:152]

    return [Record.read(path) for path in ablation.ablate(plan, data, test_split, out, resume)]


@pytest.fixture(scope="module")
def records(data: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    return ablate(data, tmp_path_factory.mktemp("both"))


def same(one: Record, other: Record) -> bool:
    """Equal to the last bit, answers and curve."""
    parts = [(getattr(record, part).log_probabilities, getattr(record, part).rows) for record in (one, other) for part in ("test", "validation")]
    return one.curve == other.curve and all(np.array_equal(a, b) for a, b in zip(sum(parts[:2], ()), sum(parts[2:], ()), strict=True))


def test_an_arm_is_another_head_or_another_fusion_and_nothing_else() -> None:
    plan = Plan(BASE)
    linear = dataclasses.asdict(plan.recipe("linear", 2))
    for name, arm in ARMS.items():
        other = dataclasses.asdict(plan.recipe(name, 2))
        assert [key for key in linear if linear[key] != other[key]] == (["head"] if arm.head else [])
        assert [bool(arm.head), bool(arm.fusion)].count(True) == (name != "linear")
        plan.recipe(name, 2).head.build(8, 8)
    assert len({(json.dumps(dataclasses.asdict(plan.recipe(name, 1).head)), arm.fusion) for name, arm in ARMS.items()}) == len(ARMS) >= 9


def test_all_arms_of_a_seed_start_alike_but_for_the_head_or_the_fusion() -> None:
    states = {name: ablation.start(Plan(SHORT, model=TINY), name, 5, None).state_dict() for name in ARMS}
    body = [key for key in states["linear"] if not key.startswith("head.")]
    streams = [key for key in body if key.startswith(("image_stream.", "landmark_stream."))]
    assert len(streams) > 50
    for name, state in states.items():
        assert all(torch.equal(states["linear"][key], state[key]) for key in (streams if ARMS[name].fusion else body))


def test_the_three_posters_differ_in_the_number_of_their_blocks_alone() -> None:
    models = [ablation.start(Plan(SHORT, model=NARROW), f"poster-{size}", 1, None) for size in ("small", "base", "large")]
    assert [len(model.blocks) for model in models] == [4, 6, 8]
    shapes = [
        {key: value.shape for key, value in model.state_dict().items() if not key.startswith(("blocks.4", "blocks.5", "blocks.6", "blocks.7"))}
        for model in models
    ]
    assert shapes[0] == shapes[1] == shapes[2] and {model.num_features for model in models} == {NARROW["embed_dim"]}
    # A block by hand: at every width two projections each of keys and values, of outputs and of the perceptron, norms, and three convolutions over tokens.
    block = sum(14 * d * d + 20 * d for d in (96, 48, 24)) + 3 * (20 * 20 + 20) + 2 * (20 * 20 * 2 + 20)
    counted = [ablation.parameters(model) for model in models]
    assert [counted[1] - counted[0], counted[2] - counted[1]] == [2 * block, 2 * block]


def test_the_recorded_linear_arm_is_still_the_one_that_runs(data: TrainingData) -> None:
    """Loss and answers after one step, as this code gave them when the runs in docs/ablation were made: what joins later is compared with those."""
    plan = Plan(BASE.override(["batch_size=16", "steps=5", "epochs=6", "bf16=false"]), ("linear",), (1,), model=TINY)
    accelerator = ablation.Accelerator()
    run = ablation.trainee(plan, "linear", 1, None, Path("unused"), accelerator)
    ablation.run_epoch(0, [run], None, data, accelerator, steps=1)
    assert run.rows[0]["train_loss"] == pytest.approx(2.09043 / 5, rel=1e-4)
    said = ablation.answers([run], None, data.images[:1], "cpu")[0]["logits"][0, :4]
    assert said.tolist() == pytest.approx([-0.307825, -0.096985, -0.134672, 0.581546], abs=2e-4)


def test_more_arms_can_join_the_runs_of_the_page() -> None:
    """Every record in docs/ablation is of the recipe beside it, which is today's under the page's settings; only the shipped streams may be others by now."""
    folder = Path(__file__).parents[3] / "docs" / "ablation"
    begun = json.loads((folder / "recipe.json").read_text())
    begun["recipe"] = as_today(begun["recipe"])
    settings = ["auxiliary=0", "epochs=6", "steps=77", "head.t_alpha=0.1"]
    now = json.loads(json.dumps(Plan(BASE.override(settings), streams="posterpp_nano", model=NARROW).described()))
    assert {**now, "streams": ""} == {**begun, "streams": ""}
    found = [Record.read(path) for path in folder.glob("*.npz")]
    assert len(found) >= 18 and {one.recipe["seed"] for one in found} == {1, 2, 3}
    for one in found:
        assert (one.streams, one.sample, one.model) == (begun["streams"], begun["sample"], begun["model"])
        assert {key: one.recipe[key] for key in begun["recipe"] if key not in ("seed", "head")} == {
            key: value for key, value in begun["recipe"].items() if key not in ("seed", "head")
        }


def test_a_record_holds_what_a_page_needs(data: TrainingData, records: list[Record]) -> None:
    linear, adaface = records
    assert [record.arm for record in records] == list(BOTH) and adaface.recipe["head"]["kind"] == "adaface"
    assert linear.test.rows.tolist() == list(range(128, 152)) and linear.test.labels.tolist() == data.labels[128:].tolist()
    assert linear.validation.log_probabilities.shape == (32, 8)
    assert len(linear.curve["accuracy"]) == len(adaface.curve["spearman_fused"]) == 2
    assert all(-1 <= value <= 1 for name in ("spearman_fused", "pearson_image") for value in adaface.curve[name])
    assert not np.array_equal(linear.test.log_probabilities, adaface.test.log_probabilities)


def test_a_run_does_not_depend_on_what_runs_beside_it(data: TrainingData, records: list[Record], tmp_path: Path) -> None:
    alone = ablate(data, tmp_path, BOTH[1:])
    assert same(alone[0], records[1])
    joined = ablate(data, tmp_path, BOTH, resume=True)
    assert same(joined[0], records[0]) and same(joined[1], records[1])


def test_a_killed_ablation_goes_on_to_the_same_numbers(data: TrainingData, records: list[Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save, saved = ablation.Trainee.save, []

    def die_after_the_first_arm_of_the_second_epoch(run: ablation.Trainee) -> None:
        if len(saved) == 3:
            raise KeyboardInterrupt
        saved.append(run.name)
        save(run)

    monkeypatch.setattr(ablation.Trainee, "save", die_after_the_first_arm_of_the_second_epoch)
    with pytest.raises(KeyboardInterrupt):
        ablate(data, tmp_path)
    monkeypatch.undo()
    assert not list(tmp_path.glob("*.npz"))
    assert all(same(one, other) for one, other in zip(ablate(data, tmp_path, resume=True), records, strict=True))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adaface-m04-s64-1.npz", "linear-1.npz", "recipe.json"]


def test_held_streams_stay_as_they_are_and_feed_every_arm(data: TrainingData) -> None:
    arms = (*BOTH, "poster-small")
    plan = Plan(SHORT.override(["auxiliary=0"]), arms, (1,), "posterpp_nano", 20, NARROW)
    shared = ablation.held_streams(plan)
    before = {key: value.clone() for key, value in shared.state_dict().items()}
    accelerator = ablation.Accelerator()
    runs = [ablation.trainee(plan, arm, 1, shared, Path("unused"), accelerator) for arm in arms]
    fresh = runs[1].model.cls_token.clone()
    ablation.run_epoch(0, runs, shared, data, accelerator, steps=1)
    assert all(torch.equal(value, before[key]) for key, value in shared.state_dict().items())
    assert not torch.equal(fresh, runs[1].model.cls_token)
    assert isinstance(runs[1].model.head, AdaFaceHead) and runs[1].model.head.batch_mean.item() < 20  # its norms were seen
    images = data.images[:4]
    said = ablation.answers(runs, shared, images, "cpu")
    pixels = torch.from_numpy((images[:, None].repeat(3, 1) / 255 - 0.51) / 0.25).float()
    for run, one in zip(runs, said, strict=True):
        assert run.model.image_stream is shared.image_stream and run.model.align3 is shared.align3
        torch.testing.assert_close(one["logits"], run.finished(pixels), atol=1e-3, rtol=1e-3)
    assert isinstance(runs[2].model, PosterV1) and torch.equal(said[0]["image"], said[2]["image"])


def test_a_margin_is_reckoned_in_float32_whatever_the_network_runs_in(data: TrainingData) -> None:
    plan = Plan(SHORT, ("arcface-m04-s64",), model=TINY)
    run = ablation.trainee(plan, "arcface-m04-s64", 1, None, Path("unused"), ablation.Accelerator())
    seen: list[torch.Tensor] = []
    run.model.gate.register_forward_hook(lambda _m, _i, output: seen.append(output.float()))
    votes = torch.eye(8)
    with torch.autocast("cpu", torch.bfloat16):
        logits, _ = run.learner.train()(torch.randn(8, 3, 48, 48), votes)
    expected = run.model.head(seen[0], targets=votes.argmax(1))
    torch.testing.assert_close(logits, expected, atol=1e-3, rtol=1e-5)


def test_what_is_begun_is_not_mixed_with_something_else(data: TrainingData, tmp_path: Path) -> None:
    (tmp_path / "recipe.json").write_text(json.dumps(Plan(SHORT, BOTH, sample=20, model=TINY).described()))
    with pytest.raises(InputError, match="--resume"):
        ablate(data, tmp_path)
    with pytest.raises(InputError, match="other values than these: recipe;"):
        ablate(data, tmp_path, resume=True, base=SHORT.override(["lr=1e-3"]))
    other = Plan(SHORT, BOTH, sample=20, model=TINY, streams="posterpp_nano")
    with pytest.raises(InputError, match=r"these: streams \(none held there, posterpp_nano \(sha256 \w{12}\) here\)"):
        ablation.settle(other, tmp_path, True, lambda: 3)


def test_a_folder_begun_before_a_value_had_a_name_goes_on(tmp_path: Path) -> None:
    plan = ablation.settle(Plan(SHORT, model=TINY), tmp_path, False, lambda: 3)
    older = json.loads((tmp_path / "recipe.json").read_text())
    older["recipe"]["rare"] = older["recipe"].pop("rare_cost")
    del older["recipe"]["tutor_share"]
    (tmp_path / "recipe.json").write_text(json.dumps(older))
    assert ablation.settle(plan, tmp_path, True, lambda: 4) == plan


def test_minutes_choose_the_steps(data: TrainingData, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ablation, "TIMED", 1)
    plan = Plan(SHORT, BOTH[:1], (1,), sample=20, model=TINY)
    assert ablation.steps_within(60, plan, None, data, ablation.Accelerator()) > 1
    with pytest.raises(InputError, match="too few"):
        ablation.steps_within(1e-5, plan, None, data, ablation.Accelerator())


@pytest.mark.parametrize("values", [{"arms": ("softmax",)}, {"seeds": ()}, {"base": BASE.override(["patience=2"])}, {"base": BASE.override(["dataset=rafdb"])}])
def test_a_wrong_plan_is_one_sentence(values: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        Plan(**{"base": BASE} | values)


@pytest.mark.parametrize("override", ["head.kind=linear", "seed=3", "head.scale=30"])
def test_heads_and_seeds_are_chosen_by_their_own_options(override: str, tmp_path: Path) -> None:
    options = command.argparse.Namespace(set=[override])
    with pytest.raises(InputError, match="--arms and --seeds"):
        command.run(options)


def test_the_command_leaves_a_record_a_run(data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Everything but the reading of FERPlus, which the tests of its reader cover."""
    monkeypatch.setattr("poster.training.data.load", lambda recipe, folder: data)
    monkeypatch.setattr(ablation, "test_part", lambda folder: (np.arange(128, 152), data.labels[128:152]))
    small = [word for text in ("epochs=1", "steps=1", "batch_size=4", "bf16=false") for word in ("--set", text)]
    line = ["ablate", "--data", "nowhere", "--out", str(tmp_path), "--arms", "linear", "--seeds", "7", "--sample", "4", "--json"]
    assert main([*line, *small]) == 0
    assert json.loads(capsys.readouterr().out)["records"] == [str(tmp_path / "linear-7.npz")]
    found = Record.read(tmp_path / "linear-7.npz")
    assert (found.recipe["seed"], found.recipe["steps"], found.recipe["target"], found.streams, found.model) == (7, 1, "labels", "", {})
    assert found.fusion == ""
    assert main([*line, *small]) == 2 and "--resume" in capsys.readouterr().err


def test_answers_keep_the_probabilities_of_logits() -> None:
    logits = 30 * np.random.default_rng(0).normal(size=(50, 8))
    kept = Answers.of(np.arange(50), np.zeros(50, np.int64), logits)
    expected = log_softmax(logits, axis=1)
    assert kept.log_probabilities.dtype == np.float16
    np.testing.assert_allclose(kept.log_probabilities.astype(float), expected, rtol=1e-3, atol=1e-7)
    assert (kept.log_probabilities.argmax(1) == logits.argmax(1)).all()


def test_a_file_that_is_no_record_is_one_sentence(tmp_path: Path) -> None:
    for content in (b"", b"PK\x03\x04broken", b"arm,seed\n"):
        (tmp_path / "x.npz").write_bytes(content)
        with pytest.raises(InputError, match="poster ablate"):
            Record.read(tmp_path / "x.npz")
    np.savez(tmp_path / "y.npz", about=np.array("{}"))
    with pytest.raises(InputError, match="poster ablate"):
        Record.read(tmp_path / "y.npz")
