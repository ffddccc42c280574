"""The loop on a small made-up problem: losses fall, a resumed run repeats the uninterrupted one, the best epoch is kept."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

import poster
from poster.contract import ModelContract
from poster.errors import InputError
from poster.training import loop
from poster.training.data import TrainingData
from poster.training.recipes import NANO_CONTRACT, RECIPES
from poster.training.schedule import learning_rate
from poster.training.session import export
from poster.training.validate import fit_temperature, predict, scores
from tests.poster.training.made_up import TINY, bright_eighths

RECIPE = RECIPES["posterpp_nano"].override(["epochs=3", "batch_size=16", "bf16=false", "lr=3e-3", "ema=0.5"])


@pytest.fixture(scope="module")
def data() -> TrainingData:
    """Eight classes told apart by which eighth of the picture is bright."""
    images, labels = bright_eighths(160)
    return TrainingData(images, np.eye(8, dtype=np.float32)[labels], labels, np.arange(128), np.arange(128, 160))


def tiny() -> torch.nn.Module:
    torch.manual_seed(0)
    return poster.create_model("posterpp_nano", num_classes=8, **TINY)


def run(data: TrainingData, out: Path, epochs: int, resume: bool = False) -> dict[str, torch.Tensor]:
    out.mkdir(exist_ok=True)
    return loop.train(tiny(), NANO_CONTRACT, data, RECIPE.override([f"epochs={epochs}"]), out, resume)


def log_rows(out: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((out / loop.LOG).read_text().splitlines()))


def test_a_resumed_run_repeats_the_uninterrupted_one(data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(data, tmp_path / "whole", 3)
    append = loop._append

    def die_in_the_second_epoch(path: Path, row: dict[str, float], first: bool) -> None:
        if row["epoch"] == 2:
            raise KeyboardInterrupt
        append(path, row, first)

    monkeypatch.setattr(loop, "_append", die_in_the_second_epoch)
    with pytest.raises(KeyboardInterrupt):
        run(data, tmp_path / "broken", 3)
    monkeypatch.undo()
    resumed = run(data, tmp_path / "broken", 3, resume=True)
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)
    first, second = log_rows(tmp_path / "whole"), log_rows(tmp_path / "broken")
    assert len(first) == 3
    assert [{**row, "seconds": ""} for row in first] == [{**row, "seconds": ""} for row in second]


def test_it_learns_and_keeps_the_best_epoch(data: TrainingData, tmp_path: Path) -> None:
    best = run(data, tmp_path, 4)
    rows = log_rows(tmp_path)
    assert float(rows[-1]["train_loss"]) < 0.8 * float(rows[0]["train_loss"])
    model = tiny()
    model.load_state_dict(best)
    logits, labels = predict(model, data.images[data.validation], NANO_CONTRACT), data.labels[data.validation]
    assert scores(logits / fit_temperature(logits, labels), labels)["loss"] == pytest.approx(min(float(row["loss"]) for row in rows), rel=1e-4)


def test_an_epoch_that_only_lacks_confidence_is_not_a_worse_one(data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first epoch errs once and is unsure, the second errs four times and is as sure as it should be; temperatures put the first right."""
    labels = data.labels[data.validation]
    answers = []
    for errors, certainty in ((1, 0.5), (4, 4.0)):
        said = labels.copy()
        said[:errors] = (said[:errors] + 1) % 8
        answers.append(torch.from_numpy(certainty * np.eye(8, dtype=np.float32)[said]))
    assert scores(answers[0], labels)["loss"] > scores(answers[1], labels)["loss"]
    given = iter(answers)
    saved: list[int] = []
    monkeypatch.setattr(loop, "predict", lambda *_: next(given))
    save = loop.save
    monkeypatch.setattr(loop, "save", lambda path, state: (saved.append(state["best_epoch"]) if path.name == loop.LAST else None, save(path, state)))
    run(data, tmp_path, 2)
    assert saved == [1, 1]


def test_the_landmark_stream_stays_as_it_was_taught(data: TrainingData, tmp_path: Path) -> None:
    before = tiny().landmark_stream.state_dict()
    after = run(data, tmp_path, 1)
    assert all(torch.equal(value, after[f"landmark_stream.{key}"]) for key, value in before.items())


def test_temperature_is_the_one_scipy_finds() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 8, 500)
    logits = 4 * rng.normal(size=(500, 8)) + 6 * np.eye(8)[labels]

    def loss(t: float) -> float:
        return float((logsumexp(logits / t, axis=1) - logits[np.arange(500), labels] / t).mean())

    expected = minimize_scalar(loss, bounds=(0.1, 20), method="bounded", options={"xatol": 1e-8}).x
    assert fit_temperature(torch.from_numpy(logits).float(), labels) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_split_with_no_error_or_nothing_but_errors_has_a_temperature_within_bounds(sign: int) -> None:
    found = fit_temperature(sign * torch.eye(8) / 10, np.arange(8))
    assert found == pytest.approx(np.exp(-3 * sign), rel=0.01)


def test_the_schedule_warms_up_to_its_peak_and_falls_to_a_hundredth() -> None:
    recipe = RECIPES["posterpp_nano"]
    rates = [learning_rate(recipe, epoch) for epoch in np.linspace(0, recipe.epochs, 500)]
    assert max(rates) == pytest.approx(recipe.lr, rel=0.02)
    assert rates[0] < 0.15 * recipe.lr
    assert rates[-1] == pytest.approx(0.01 * recipe.lr)


def test_class_balance_draws_rare_classes_more_often() -> None:
    votes = np.eye(8, dtype=np.float32)[np.repeat([0, 1], [900, 100])]
    data = TrainingData(np.zeros((1000, 48, 48), np.uint8), votes, votes.argmax(1), np.arange(1000), np.arange(0))
    drawn = np.concatenate([data.draw(np.random.default_rng(seed), 0.5) for seed in range(40)])
    # weights 900 ** -0.5 and 100 ** -0.5 a picture: the rare class gets 100 / 10 against 900 / 30, a quarter
    assert (drawn >= 900).mean() == pytest.approx(0.25, abs=0.01)
    assert sorted(data.draw(np.random.default_rng(0), 0.0)) == list(range(1000))


@pytest.mark.parametrize("text", ["epoch=3", "epochs=many", "bf16=2", "augmentation.flop=1", "augmentation=1"])
def test_a_wrong_override_is_one_sentence(text: str) -> None:
    with pytest.raises(InputError):
        RECIPES["posterpp_nano"].override([text])


def test_the_finished_file_scores_as_it_was_validated(data: TrainingData, tmp_path: Path) -> None:
    """Rounding to float16 and the temperature are part of what is validated: the exported file gives the same scores, through the front door."""
    model = tiny()
    model.load_state_dict(run(data, tmp_path, 2))
    result = export(model, NANO_CONTRACT, data, tmp_path / "model.safetensors")
    tensors = load_file(tmp_path / "model.safetensors")
    assert {value.dtype for value in tensors.values() if value.is_floating_point()} == {torch.float16}
    again = tiny()
    again.load_state_dict({key: value.float() if value.is_floating_point() else value for key, value in tensors.items()})
    logits = predict(again, data.images[data.validation], NANO_CONTRACT)
    assert scores(logits, data.labels[data.validation]) == pytest.approx(result["validation"], abs=1e-6)
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        assert ModelContract.from_metadata(file.metadata()).temperature == result["temperature"]


def test_a_compiled_run_steps_through_what_the_compiler_made(data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stepped = []

    def compiler(module: torch.nn.Module) -> torch.nn.Module:
        module.register_forward_hook(lambda *_: stepped.append(1))
        return module

    monkeypatch.setattr(torch, "compile", compiler)
    loop.train(tiny(), NANO_CONTRACT, data, RECIPE.override(["epochs=1", "compile=true"]), tmp_path)
    assert len(stepped) == 8  # 128 pictures, 16 a batch
