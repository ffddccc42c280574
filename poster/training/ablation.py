"""Does a margin help, does a deeper fusion? The same streams, budget, pictures and seeds for each arm; what every run leaves is kept picture by picture."""

from __future__ import annotations

import dataclasses
import functools
import json
import logging
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from accelerate import Accelerator
from scipy import stats
from torch import Tensor

from poster.checkpoint import load_model
from poster.data.ferplus import majority, read_ferplus
from poster.errors import InputError
from poster.quality import quality
from poster.shipped import model_path
from poster.training.arms import ARMS, Plan
from poster.training.data import TrainingData
from poster.training.landmarks import shipped_stream
from poster.training.record import Answers, Record, as_today
from poster.training.side_by_side import Trainee, answers, run_epoch
from poster.training.validate import scores

log = logging.getLogger(__name__)

TIMED = 4  # steps that tell what one takes; the first is not counted
TIMED_PICTURES = 256
STREAMS = ("image_stream", "landmark_stream", "align1", "align2", "align3")

Test = tuple[np.ndarray, np.ndarray]  # row numbers and labels of the test split


def held_streams(plan: Plan) -> Any:
    """The model whose streams all arms share, without gradients; None where every arm trains its own. Raises InputError for another architecture."""
    if not plan.streams:
        return None
    model = load_model(model_path(plan.streams))
    if model.contract.architecture != plan.base.architecture:
        raise InputError(f"{plan.streams} is {model.contract.architecture}; the ablation needs the streams of {plan.base.architecture}")
    return model.eval().requires_grad_(False)


def start(plan: Plan, arm: str, seed: int, shared: Any) -> Any:
    """The arm's model before its first step: alike in all arms of a seed but for the head, or the fusion."""
    model = ARMS[arm].network(plan.recipe(arm, seed), plan.model)
    if shared is not None:
        for part in STREAMS:
            if hasattr(model, part):
                setattr(model, part, getattr(shared, part))
    elif not plan.model:
        model.landmark_stream.load_state_dict(shipped_stream())
    return model


def parameters(model: Any) -> int:
    """Parameters of what the streams' maps are fused and answered with."""
    return sum(value.numel() for name, value in model.named_parameters() if not name.startswith(tuple(f"{part}." for part in STREAMS)))


@functools.cache
def test_part(data_dir: Path) -> Test:
    """The rows of PrivateTest that FER+'s majority rule keeps, and their labels (3,153)."""
    data = read_ferplus(data_dir)
    labels = majority(data.votes)
    rows = data.rows("PrivateTest")
    rows = rows[labels[rows] >= 0]
    return rows, labels[rows]


def ablate(plan: Plan, data: TrainingData, test: Callable[[], Test], out: Path, resume: bool = False, minutes: float = 0) -> list[Path]:
    """Train what is missing of ``plan`` and write one record a run into ``out``; returns all records, in order.

    The arms of a seed learn side by side; a crash loses at most one epoch. test: called when all epochs of a seed are over, never before.
    minutes: choose the steps of an epoch so that all of it takes about that long. Raises InputError where ``out`` holds another plan, or this one
    and it is not to be resumed.
    """
    accelerator = Accelerator()
    if accelerator.num_processes > 1:
        raise InputError("the ablation runs in one process; start it without `accelerate launch`, or give each machine its own --seeds")
    shared = held_streams(plan)
    if shared is not None:
        shared.to(accelerator.device)
    out.mkdir(parents=True, exist_ok=True)
    plan = settle(plan, out, resume, lambda: steps_within(minutes, plan, shared, data, accelerator) if minutes else plan.base.steps)
    for seed in plan.seeds:
        missing = [arm for arm in plan.arms if not path_of(out, arm, seed).is_file()]
        if missing:
            trainees = [trainee(plan, arm, seed, shared, out, accelerator) for arm in missing]
            _train(plan, trainees, shared, data, accelerator)
            _finish(plan, trainees, shared, data, test(), out, accelerator)
    return [path_of(out, arm, seed) for seed in plan.seeds for arm in plan.arms]


def path_of(out: Path, arm: str, seed: int) -> Path:
    """The record of a run."""
    return out / f"{arm}-{seed}.npz"


def trainee(plan: Plan, arm: str, seed: int, shared: Any, out: Path, accelerator: Accelerator) -> Trainee:
    """A run before its first step."""
    return Trainee(arm, start(plan, arm, seed, shared), plan.recipe(arm, seed), path_of(out, arm, seed).with_suffix(".pt"), accelerator.device)


def settle(plan: Plan, out: Path, resume: bool, steps: Callable[[], int]) -> Plan:
    """The plan with the steps it was begun with, or ``steps()`` where it begins now. More arms and seeds may join; all else must agree."""
    file = out / "recipe.json"
    if not file.is_file():
        plan = replace(plan, base=replace(plan.base, steps=steps()))
        file.write_text(json.dumps(plan.described(), indent=1) + "\n")
        return plan
    if not resume:
        raise InputError(f"{out} already holds an ablation; go on with --resume, or give another --out")
    begun = json.loads(file.read_text())
    begun["recipe"] = as_today(begun["recipe"])
    plan = replace(plan, base=replace(plan.base, steps=begun["recipe"]["steps"]))
    now = json.loads(json.dumps(plan.described()))
    other = [key for key, value in now.items() if begun.get(key) != value]
    if other:
        what = ", ".join(f"{key} ({begun['streams'] or 'none held'} there, {plan.identity or 'none held'} here)" if key == "streams" else key for key in other)
        raise InputError(f"{out} was begun with other values than these: {what}; resume with the same ones (see {file}), or give another --out")
    return plan


def steps_within(minutes: float, plan: Plan, shared: Any, data: TrainingData, accelerator: Accelerator) -> int:
    """Steps an epoch with which all arms and seeds take about ``minutes`` here, from a few steps of runs that are thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        trial = [trainee(plan, arm, plan.seeds[0], shared, Path(folder), accelerator) for arm in plan.arms]
        run_epoch(0, trial, shared, data, accelerator, steps=1)
        began = time.perf_counter()
        run_epoch(0, trial, shared, data, accelerator, steps=TIMED)
        step = (time.perf_counter() - began) / TIMED
        pictures = data.images[data.validation[:TIMED_PICTURES]]
        began = time.perf_counter()
        answers(trial, shared, pictures, accelerator.device)
        picture = (time.perf_counter() - began) / len(pictures)
    asked = plan.base.epochs * len(sample(plan, data)) + 2 * len(data.validation)  # the test split is as large as the validation split
    left = minutes * 60 / len(plan.seeds) - asked * picture
    steps = int(left / (plan.base.epochs * step))
    log.info("a step of %d arms takes %.3f s, %d answers %.1f s: %d steps an epoch", len(trial), step, asked, asked * picture, steps)
    if steps < 1:
        raise InputError(
            f"{minutes:g} minutes are too few for {len(plan.arms)} arms, {len(plan.seeds)} seeds and {plan.base.epochs} epochs; take fewer, or more time"
        )
    return steps


def _train(plan: Plan, trainees: Sequence[Trainee], shared: Any, data: TrainingData, accelerator: Accelerator) -> None:
    for one in trainees:
        one.restore(accelerator.device)
    rows = sample(plan, data)
    measured = np.array(
        [quality(picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2), picture.shape[0]) for picture in data.images[rows]]
    )
    for epoch in range(plan.base.epochs):
        active = [one for one in trainees if one.epoch == epoch]
        if not active:
            continue
        run_epoch(epoch, active, shared, data, accelerator)
        for one, said in zip(active, answers(active, shared, data.images[rows], accelerator.device), strict=True):
            one.rows[-1] |= scores(said["logits"], data.labels[rows]) | correlations(said, measured)
            one.save()
            log.info("%s", json.dumps({"run": one.path.stem, **{key: round(value, 5) for key, value in one.rows[-1].items()}}))


def sample(plan: Plan, data: TrainingData) -> np.ndarray:
    """The rows of the validation split the curves are drawn from: the same in every run."""
    count = len(data.validation)
    return data.validation if not 0 < plan.sample < count else np.sort(np.random.default_rng(0).choice(data.validation, plan.sample, replace=False))


def correlations(said: dict[str, Tensor], measured: np.ndarray) -> dict[str, float]:
    """Spearman's and Pearson's correlation of both features' norms with the pictures' quality; 0 where one of them does not vary."""
    found = {}
    for feature in ("fused", "image"):
        norms = said[feature].double().numpy()
        varies = np.ptp(norms) > 0 and np.ptp(measured) > 0
        found[f"spearman_{feature}"] = float(stats.spearmanr(norms, measured).statistic) if varies else 0.0
        found[f"pearson_{feature}"] = float(stats.pearsonr(norms, measured).statistic) if varies else 0.0
    return found


def _finish(plan: Plan, trainees: Sequence[Trainee], shared: Any, data: TrainingData, test: Test, out: Path, accelerator: Accelerator) -> None:
    """The weights after the last epoch, of every run alike, on the validation split and, here for the first time, on the test split."""
    parts = [(data.validation, data.labels[data.validation]), test]
    said = [answers(trainees, shared, data.images[rows], accelerator.device) for rows, _ in parts]
    for number, one in enumerate(trainees):
        validation, tested = (Answers.of(rows, labels, found[number]["logits"].numpy()) for (rows, labels), found in zip(parts, said, strict=True))
        curve = {key: [row[key] for row in one.rows] for key in one.rows[0]}
        seed = one.recipe.seed
        values = (dataclasses.asdict(one.recipe), plan.identity, plan.sample, plan.model, curve, tested, validation, ARMS[one.name].fusion)
        Record(one.name, seed, *values).write(path_of(out, one.name, seed))
        one.path.unlink(missing_ok=True)
