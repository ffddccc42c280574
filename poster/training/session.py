"""One training session: read the data, build the model, run the loop, write the finished model with its contract."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from poster.contract import ModelContract
from poster.errors import InputError
from poster.training import bias, loop, rare
from poster.training.ancestry import ANCESTRY, Ancestry
from poster.training.curve import confusion_picture
from poster.training.data import TrainingData, load
from poster.training.live import Live, check
from poster.training.recipe import Recipe
from poster.training.start import build, landmarks_as_taught, network, trained
from poster.training.tutor import load_tutor
from poster.training.validate import confusion, fit_temperature, predict, scores

log = logging.getLogger(__name__)
START, RECIPE, BIAS, RARE = "start.pt", "recipe.json", "bias.json", "rare.json"


def train(
    recipe: Recipe,
    data_dir: Path,
    out: Path,
    resume: bool = False,
    teacher: Path | None = None,
    backbone: Path | None = None,
    start: Sequence[str] = (),
    live: bool = False,
    tutors: Sequence[Path] = (),
) -> dict[str, Any]:
    """Run ``recipe`` on the data in ``data_dir``; returns the file written and its validation scores.

    ``out`` holds the recipe as run, what it was made from, the log, pictures of curve and confusion matrix, checkpoints, and ``model.safetensors``
    with its contract. start: a trained model to go on from, with both of its streams, instead of random weights, teacher and backbone; of several the
    mean of their weights. live: also curves to watch, in ``out/live``. tutors: trained models whose answers have ``recipe.tutor_share`` in the targets.
    Raises InputError where data, teacher, start, tutors or recipe do not fit, or ``out`` already holds a run that is not resumed.
    """
    if start and (teacher or backbone):
        raise InputError(f"--start takes both streams from {', '.join(start)}; leave --teacher and --backbone out, or start anew without --start")
    if not recipe.epochs and not start:
        raise InputError(f"{recipe.name} with epochs=0 trains nothing: give the trained models whose weights to average with --start, or epochs of at least 1")
    if (out / loop.LAST).is_file() and not resume:
        raise InputError(f"{out} already holds a run; go on with --resume, or give another --out")
    if not 0 <= recipe.tutor_share <= 1:
        raise InputError(f"tutor_share={recipe.tutor_share:g} is not a share; give a number from 0 to 1")
    if bool(tutors) != bool(recipe.tutor_share):
        raise InputError(f"tutor_share={recipe.tutor_share:g} and {len(tutors)} tutors: give --tutor FILE with a share above 0, or neither")
    if recipe.tutor_plain and (not tutors or recipe.target != "votes"):
        raise InputError("tutor_plain mixes a tutor's answers into the votes: give --tutor FILE and target=votes, or tutor_plain=false")
    if live:
        check()
    for name, cost in (("rare_cost", recipe.rare_cost), ("bias_cost", recipe.bias_cost)):
        if cost and recipe.head.kind != "linear":
            raise InputError(f"{name}={cost:g} is for the linear head; the head {recipe.head.kind} has no bias to adjust: leave it 0")
    contract = recipe.contract.replace(head=recipe.head.kind)
    tutor = load_tutor(tutors, contract, recipe.bf16) if tutors else None
    begun, written = out / START, out / RECIPE
    resumed = resume and begun.is_file()
    held = resumed and bool(json.loads(written.read_text())["freeze_landmarks"])
    recipe = landmarks_as_taught(recipe, held or bool(teacher or start) or recipe.architecture == "posterpp_nano")
    data = load(recipe, data_dir)
    out.mkdir(parents=True, exist_ok=True)
    log.info("%d training pictures, %d for validation (%s)", len(data.train), len(data.validation), data.split)
    loop.save_recipe(recipe, written)
    if resumed:
        model = network(recipe)
        model.load_state_dict(torch.load(begun, map_location="cpu", weights_only=True))
    else:
        model = trained(recipe, start) if start else build(recipe, data.images[data.train[: recipe.landmark_pictures]], teacher, backbone)
        Ancestry.of(start, tutors, teacher, backbone).write(out / ANCESTRY)
        torch.save(model.state_dict(), begun)
    if recipe.epochs:
        with Live(out / "live") if live else nullcontext() as curves:
            model.load_state_dict(loop.train(model, contract, data, recipe, out, resume, curves, tutor))
    model = model.cpu()
    if recipe.bias_cost:
        found = bias.choose(predict(model, data.images[data.validation], contract), data.labels[data.validation], recipe.bias_cost)
        bias.move(model, found["shift"])
        (out / BIAS).write_text(json.dumps(found, indent=1) + "\n")
    if recipe.rare_cost:
        votes = data.votes[data.train]
        found = rare.choose(predict(model, data.images[data.validation], contract), data.labels[data.validation], votes, recipe.rare_cost)
        rare.favour(model, votes, found["strength"])
        (out / RARE).write_text(json.dumps(found, indent=1) + "\n")
    result = export(model, contract, data, out / "model.safetensors")
    if (out / ANCESTRY).is_file():
        Ancestry.read(out / ANCESTRY).made(out / "model.safetensors").write(out / ANCESTRY)
    return result


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
