"""One training session: read the data, build the model, run the loop, write the finished model with its contract."""

from __future__ import annotations

import json
import logging
import os
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from poster.contract import ModelContract
from poster.errors import InputError
from poster.training import loop
from poster.training.curve import confusion_picture
from poster.training.data import TrainingData, load
from poster.training.live import Live, check
from poster.training.recipe import Recipe
from poster.training.start import build, trained
from poster.training.validate import confusion, fit_temperature, predict, scores

log = logging.getLogger(__name__)
START = "start.pt"


def train(
    recipe: Recipe,
    data_dir: Path,
    out: Path,
    resume: bool = False,
    teacher: Path | None = None,
    backbone: Path | None = None,
    start: str | None = None,
    live: bool = False,
) -> dict[str, Any]:
    """Run ``recipe`` on the data in ``data_dir``; returns the file written and its validation scores.

    ``out`` holds the recipe as run, the log, pictures of curve and confusion matrix, checkpoints, and ``model.safetensors`` with its contract.
    start: a trained model to go on from, instead of random weights. live: also curves to watch, in ``out/live``. Raises InputError where data, teacher,
    start or recipe do not fit, or ``out`` already holds a run that is not resumed.
    """
    if (out / loop.LAST).is_file() and not resume:
        raise InputError(f"{out} already holds a run; go on with --resume, or give another --out")
    if live:
        check()
    if recipe.rare and recipe.head.kind != "linear":
        raise InputError(f"rare={recipe.rare:g} is for the linear head; the head {recipe.head.kind} has no bias to adjust: leave it 0")
    if teacher is None and recipe.architecture != "posterpp_nano" and recipe.freeze_landmarks:
        log.warning("the landmark stream starts from random weights and is trained along; the papers freeze a pretrained one (--teacher)")
        recipe = replace(recipe, freeze_landmarks=False)
    data = load(recipe, data_dir)
    out.mkdir(parents=True, exist_ok=True)
    log.info("%d training pictures, %d for validation (%s)", len(data.train), len(data.validation), data.split)
    begun = out / START
    if resume and begun.is_file():
        model = build(recipe, data.images[:0], None, None)
        model.load_state_dict(torch.load(begun, map_location="cpu", weights_only=True))
    else:
        model = build(recipe, data.images[data.train[: recipe.landmark_pictures]], teacher, backbone) if start is None else trained(recipe, start)
        torch.save(model.state_dict(), begun)
    loop.save_recipe(recipe, out / "recipe.json")
    contract = recipe.contract.replace(head=recipe.head.kind)
    with Live(out / "live") if live else nullcontext() as curves:
        model.load_state_dict(loop.train(model, contract, data, recipe, out, resume, curves))
    model = model.cpu()
    if recipe.rare:
        favour_rare(model, data.votes[data.train], recipe.rare)
    return export(model, contract, data, out / "model.safetensors")


@torch.no_grad()
def favour_rare(model: torch.nn.Module, votes: np.ndarray, strength: float) -> None:
    """Take ``strength`` times the log of the classes' share of ``votes`` (N, K) off the bias of a linear head, in place."""
    share = torch.from_numpy(votes.mean(axis=0, dtype=np.float64)).clamp_min(1e-6)
    model.head.bias -= strength * share.log().to(model.head.bias)


def export(model: torch.nn.Module, contract: ModelContract, data: TrainingData, path: Path) -> dict[str, Any]:
    """Round the weights to float16 (half the size), fit the temperature to the rounded model, write file and validation scores."""
    state = {key: value.half() if value.is_floating_point() else value for key, value in model.state_dict().items()}
    model.load_state_dict({key: value.float() if value.is_floating_point() else value for key, value in state.items()})
    labels = data.labels[data.validation]
    logits = predict(model, data.images[data.validation], contract)
    contract = contract.replace(temperature=round(fit_temperature(logits, labels), 4))
    temporary = path.with_suffix(".part")
    save_file(state, temporary, metadata=contract.to_metadata())
    os.replace(temporary, path)
    result = {"file": str(path), "temperature": contract.temperature, "split": data.split, "validation": scores(logits, labels)}
    (path.parent / "validation.json").write_text(json.dumps(result["validation"], indent=1) + "\n")
    (path.parent / "confusion.svg").write_text(confusion_picture(confusion(logits, labels), contract.labels))
    return result
