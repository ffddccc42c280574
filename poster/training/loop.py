"""The training loop: one step, one epoch, a resumable checkpoint after every epoch, the best epoch at the end."""

from __future__ import annotations

import csv
import dataclasses
import json
import logging
import math
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from poster.contract import ModelContract
from poster.errors import InputError
from poster.training import sam
from poster.training.augment import degrade, erase, randaugment, random_affine, warp
from poster.training.curve import curve
from poster.training.data import TrainingData
from poster.training.landmarks import as_input
from poster.training.learner import Learner
from poster.training.live import Live
from poster.training.recipe import Augmentation, Recipe
from poster.training.schedule import build_optimizer, learning_rate
from poster.training.targets import TARGETS, loss, mix, targets
from poster.training.tutor import Tutor
from poster.training.validate import fit_temperature, predict, scores

log = logging.getLogger(__name__)
LAST, BEST, LOG, CURVE = "last.pt", "best.pt", "log.csv", "curve.svg"


def train(
    model: nn.Module,
    contract: ModelContract,
    data: TrainingData,
    recipe: Recipe,
    out: Path,
    resume: bool = False,
    live: Live | None = None,
    tutor: Tutor | None = None,
) -> dict[str, Tensor]:
    """Train ``model`` and return the weights (averaged, if the recipe averages) of the epoch with the lowest cross-entropy on the validation split.

    tutor: its answers to each batch have ``recipe.tutor_share`` in the targets; with ``recipe.tutor_plain`` those to the pictures as they are.
    The cross-entropy chooses because it is steadier: a few thousand pictures leave the accuracy uncertain by more than epochs differ. It is taken at the
    temperature that suits the epoch best: the finished model gets one too, and targets that are softer or harder than the labels would decide otherwise.
    Runs on what ``accelerate`` finds: a CPU, a GPU, or several under ``accelerate launch``. A crash loses at most one epoch: ``out/last.pt``
    is replaced atomically after each, and every epoch draws its random numbers from (seed, epoch), so a resumed run repeats the uninterrupted one.
    """
    if recipe.target not in TARGETS:
        raise InputError(f"the target {recipe.target!r} is unknown; known are {', '.join(TARGETS)}")
    accelerator = Accelerator()
    learner = Learner(model, recipe, data.votes.shape[1])
    if recipe.freeze_landmarks:
        learner.hold_landmarks()
    learner.to(accelerator.device)
    average = AveragedModel(model, multi_avg_fn=warming_average(recipe.ema), use_buffers=True) if recipe.ema else None
    optimizer = build_optimizer(learner, recipe)
    start, best, best_epoch = 0, math.inf, 0
    if resume and (out / LAST).is_file():
        state = torch.load(out / LAST, map_location=accelerator.device, weights_only=True)
        learner.load_state_dict(state["trained"])
        optimizer.load_state_dict(state["optimizer"])
        if average is not None:
            average.load_state_dict(state["average"])
        start, best, best_epoch = state["epoch"], state["best"], state["best_epoch"]
        _cut(out / LOG, start)
        log.info("resuming after epoch %d", start)
    if tutor is not None:
        tutor.to(accelerator.device)
    if tutor is not None and recipe.tutor_plain and start < recipe.epochs:
        data, tutor = asked_once(tutor, data, recipe, contract), None
    prepared, optimizer = accelerator.prepare(learner, optimizer)
    stepped = torch.compile(prepared) if recipe.compile else prepared
    finished = average.module if average is not None else model
    for epoch in range(start, recipe.epochs):
        if recipe.patience and epoch - best_epoch >= recipe.patience:
            log.info("no better validation loss since epoch %d; stopping early", best_epoch)
            break
        began = time.perf_counter()
        row = _epoch(epoch, accelerator, stepped, learner, average, optimizer, contract, data, recipe, live, tutor)
        logits, labels = predict(finished, data.images[data.validation], contract), data.labels[data.validation]
        row |= scores(logits / fit_temperature(logits, labels), labels)
        row["seconds"] = time.perf_counter() - began
        better = row["loss"] < best
        best, best_epoch = (row["loss"], epoch + 1) if better else (best, best_epoch)
        if accelerator.is_main_process:
            _append(out / LOG, row, first=epoch == 0)
            log.info(json.dumps({key: round(value, 5) for key, value in row.items()}))
            (out / CURVE).write_text(curve(out / LOG))
            if live is not None:
                live.epoch(row)
            if better:
                save(out / BEST, finished.state_dict())
            progress = {"epoch": epoch + 1, "best": best, "best_epoch": best_epoch, "average": average.state_dict() if average is not None else {}}
            save(out / LAST, {"trained": learner.state_dict(), "optimizer": optimizer.state_dict(), **progress})
        accelerator.wait_for_everyone()
    return torch.load(out / BEST, map_location="cpu", weights_only=True)


def _epoch(
    epoch: int,
    accelerator: Accelerator,
    prepared: nn.Module,
    learner: Learner,
    average: AveragedModel | None,
    optimizer: torch.optim.Optimizer,
    contract: ModelContract,
    data: TrainingData,
    recipe: Recipe,
    live: Live | None,
    tutor: Tutor | None,
) -> dict[str, float]:
    """One pass; every process takes its share of each batch. Returns the first columns of the log's row."""
    torch.manual_seed(recipe.seed * 100003 + epoch + 7919 * accelerator.process_index)
    rows, steps, how = plan(epoch, data, recipe)
    prepared.train()
    if recipe.freeze_landmarks:
        learner.hold_landmarks()
    parameters = [p for p in learner.parameters() if p.requires_grad]
    total, lr = 0.0, recipe.lr
    bar = tqdm(range(steps), desc=f"epoch {epoch + 1}/{recipe.epochs}", unit="batch", mininterval=5, disable=not accelerator.is_main_process)
    for step in bar:
        lr = set_rate(optimizer, recipe, epoch + step / steps)
        chosen = rows[step * recipe.batch_size : (step + 1) * recipe.batch_size][accelerator.process_index :: accelerator.num_processes]
        images, wanted = batch(data, chosen, how, recipe, contract, accelerator.device)
        if tutor is not None:
            wanted = wanted.lerp(tutor(images), recipe.tutor_share)
        total += step_once(accelerator, prepared, parameters, optimizer, recipe, (images, wanted))
        if average is not None:
            average.update_parameters(learner.model)
        bar.set_postfix(loss=f"{total / (step + 1):.3f}", refresh=False)
        if live is not None and accelerator.is_main_process:
            live.step(epoch * steps + step + 1, loss=total / (step + 1), lr=lr)
    return {"epoch": epoch + 1, "lr": lr, "train_loss": total / steps}


def asked_once(tutor: Tutor, data: TrainingData, recipe: Recipe, contract: ModelContract) -> TrainingData:
    """The data with the tutor's answers to its training pictures, as they are, in the votes (``recipe.tutor_share``)."""
    answers = predict(tutor, data.images[data.train], contract, bar="the tutor's answers")
    votes = data.votes.copy()
    votes[data.train] = torch.lerp(torch.from_numpy(votes[data.train]), answers, recipe.tutor_share).numpy()
    return dataclasses.replace(data, votes=votes)


def plan(epoch: int, data: TrainingData, recipe: Recipe) -> tuple[np.ndarray, int, Augmentation]:
    """An epoch's rows in order, its number of batches, and how far its pictures are varied."""
    rows = data.draw(np.random.default_rng((recipe.seed, epoch)), recipe.class_balance)
    steps = min(recipe.steps or len(rows), max(len(rows) // recipe.batch_size, 1))
    return rows, steps, recipe.augmentation.scaled(min(1.0, epoch / recipe.ramp_epochs) if recipe.ramp_epochs else 1.0)


def set_rate(optimizer: torch.optim.Optimizer, recipe: Recipe, epoch: float) -> float:
    """Give the optimizer the learning rate of that fraction of the run."""
    lr = learning_rate(recipe, epoch)
    for group in optimizer.param_groups:
        group["lr"] = lr
    return lr


def step_once(
    accelerator: Accelerator, prepared: nn.Module, parameters: list[Tensor], optimizer: torch.optim.Optimizer, recipe: Recipe, inputs: tuple[Any, ...]
) -> float:
    """One step of the optimizer on what the learner takes: images, their targets, and the maps if known. Returns the loss before it."""

    def backward() -> float:
        with torch.autocast(accelerator.device.type, torch.bfloat16, enabled=recipe.bf16):
            logits, from_image = prepared(*inputs)
        wanted = inputs[1]
        main = loss(logits, wanted, recipe.target)
        optimizer.zero_grad(set_to_none=True)
        accelerator.backward(main if from_image is None else main + recipe.auxiliary * loss(from_image, wanted, recipe.target))
        return main.item()

    before_step = backward()
    if recipe.sam:
        before = sam.climb(parameters, recipe.sam)
        backward()
        sam.descend(before)
    if recipe.clip_norm:
        accelerator.clip_grad_norm_(parameters, recipe.clip_norm)
    optimizer.step()
    return before_step


def batch(
    data: TrainingData, chosen: np.ndarray, how: Augmentation, recipe: Recipe, contract: ModelContract, device: torch.device | str = "cpu"
) -> tuple[Tensor, Tensor]:
    """The rows ``chosen``, varied and normalised (N, 3, S, S), with their targets (N, K); everything past the decoding runs on ``device``."""
    pixels = torch.from_numpy(data.images[chosen]).to(device)
    pixels = (pixels[:, None] if pixels.ndim == 3 else pixels.permute(0, 3, 1, 2)).float() / 255
    images = randaugment(degrade(warp(pixels, random_affine(len(chosen), how, device)), how), how.randaugment)
    wanted = targets(torch.from_numpy(data.votes[chosen]).to(device), recipe.target)
    images, wanted = mix(images, wanted, how.mixup, how.cutmix)
    return erase(as_input(images, contract), how), wanted


def warming_average(decay: float) -> Any:
    """An exponential average that follows closely at first, so that the first epochs' validation means something."""

    def update(averaged: Any, current: Any, count: Any) -> None:
        get_ema_multi_avg_fn(min(decay, (1 + float(count)) / (10 + float(count))))(averaged, current, count)

    return update


def _append(path: Path, row: dict[str, float], first: bool) -> None:
    with path.open("w" if first else "a", newline="") as file:
        writer = csv.DictWriter(file, row)
        if first:
            writer.writeheader()
        writer.writerow({key: f"{value:.6g}" for key, value in row.items()})


def _cut(path: Path, epochs: int) -> None:
    """Keep the rows of finished epochs: a run killed between its log and its checkpoint leaves one too many."""
    lines = path.read_text().splitlines(keepends=True) if path.is_file() else []
    path.write_text("".join(lines[: 1 + epochs]))


def save(path: Path, state: object) -> None:
    """Write a checkpoint and move it into place: a crash leaves the old one."""
    temporary = path.with_suffix(".part")
    torch.save(state, temporary)
    os.replace(temporary, path)


def save_recipe(recipe: Recipe, path: Path) -> None:
    """Write every value of the recipe as JSON beside the run."""
    path.write_text(json.dumps(dataclasses.asdict(recipe), indent=1) + "\n")
