"""One training session: read the data, teach the landmark stream, run the loop, write the finished model with its contract."""

from __future__ import annotations

import argparse
import json
import logging
import os
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from poster.contract import ModelContract
from poster.errors import InputError
from poster.face import FER2013_MARGIN
from poster.labels import ORDERS
from poster.models import create_model
from poster.training import loop
from poster.training.curve import curve
from poster.training.data import load_ferplus
from poster.training.landmarks import learn_landmarks, load_teacher, teacher_points
from poster.training.recipe import RECIPES

STREAM = "landmark_stream.pt"
NANO_CONTRACT = ModelContract(
    architecture="posterpp_nano",
    labels=ORDERS["ferplus"],
    input_size=48,
    channels="grey",
    mean=(0.51, 0.51, 0.51),
    std=(0.25, 0.25, 0.25),
    crop=FER2013_MARGIN,
    source="trained from scratch on FERPlus by this project",
    licence="research only (FER2013 pictures)",
)


def train(args: argparse.Namespace) -> dict[str, Any]:
    """Run ``args.recipe`` on ``args.data`` (see poster/commands/train.py); the finished model is ``out/model.safetensors``."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if args.recipe not in RECIPES:
        raise InputError(f"{args.recipe!r} is not a recipe; known are {', '.join(RECIPES)}")
    recipe = RECIPES[args.recipe].override(args.set)
    args.out.mkdir(parents=True, exist_ok=True)
    if args.threads:
        torch.set_num_threads(args.threads)
    data = load_ferplus(args.data)
    logging.info("%d training pictures, %d for validation", len(data.train), len(data.validation))
    torch.manual_seed(recipe.seed)
    model = create_model(recipe.architecture, num_classes=8)
    contract = NANO_CONTRACT
    if not args.resume or not (args.out / STREAM).is_file():
        if args.teacher is None:
            raise InputError("the landmark stream needs a teacher; give the state dict of POSTER's MobileFaceNet (136 outputs) with --teacher")
        pictures = data.images[data.train[: recipe.landmark_pictures]]
        points = teacher_points(load_teacher(args.teacher), pictures)
        learn_landmarks(model.landmark_stream, contract.input_size, pictures, points, contract, recipe)
        torch.save(model.landmark_stream.state_dict(), args.out / STREAM)
    model.landmark_stream.load_state_dict(torch.load(args.out / STREAM, map_location="cpu", weights_only=True))
    loop.save_recipe(recipe, args.out / "recipe.json")
    model.load_state_dict(loop.train(model, contract, data, recipe, args.out, args.resume))
    (args.out / "curve.svg").write_text(curve(args.out / loop.LOG))
    return export(model, contract, data, args.out / "model.safetensors")


def export(model: torch.nn.Module, contract: ModelContract, data: Any, path: Path) -> dict[str, Any]:
    """Round the weights to float16 (half the size), fit the temperature to the rounded model, write file and validation scores."""
    state = {key: value.half() if value.is_floating_point() else value for key, value in model.state_dict().items()}
    model.load_state_dict({key: value.float() if value.is_floating_point() else value for key, value in state.items()})
    labels = data.labels[data.validation]
    logits = loop.predict(model, data.images[data.validation], contract)
    contract = contract.replace(temperature=round(loop.fit_temperature(logits, labels), 4))
    temporary = path.with_suffix(".part")
    save_file(state, temporary, metadata=contract.to_metadata())
    os.replace(temporary, path)
    result = {"file": str(path), "temperature": contract.temperature, "validation": loop.scores(logits, labels)}
    (path.parent / "validation.json").write_text(json.dumps(result["validation"], indent=1) + "\n")
    return result
