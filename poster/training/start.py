"""What a run begins with: random weights, and pretrained streams where their files are given."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from poster.errors import InputError
from poster.models import create_model
from poster.official import official_names
from poster.shipped import model_path
from poster.training.faces import FACES
from poster.training.landmarks import as_input, learn_landmarks, load_teacher, shipped_stream, stream_weights, teacher_points
from poster.training.recipe import Recipe
from poster.training.tutor import open_trained

log = logging.getLogger(__name__)
CALIBRATION = 512  # pictures


def network(recipe: Recipe, architecture: str = "", **options: Any) -> Any:
    """The recipe's model with random weights that follow from its seed; ``architecture`` and its options: another one, under the same head."""
    torch.manual_seed(recipe.seed)
    if recipe.architecture in FACES:
        if recipe.head.kind != "linear":
            raise InputError(f"{recipe.name} has a linear head only; leave head.kind={recipe.head.kind} out")
        return FACES[recipe.architecture](len(recipe.contract.labels), recipe.contract.mean[0], recipe.contract.std[0])
    model = create_model(architecture or recipe.architecture, num_classes=len(recipe.contract.labels), **options)
    model.head = recipe.head.build(model.num_features, len(recipe.contract.labels))
    model.mirror = recipe.contract.mirror
    return model


def build(recipe: Recipe, images: np.ndarray, teacher: Path | None, backbone: Path | None) -> nn.Module:
    """The recipe's model before its first step.

    images: grey uint8 (N, S, S) for the landmark lesson of the nano model. teacher: POSTER's MobileFaceNet with 136 outputs: a full-size
    landmark stream takes its weights; the nano one learns from it, or without it takes the stream of the shipped model. backbone: the IR-50
    of the official repositories (``ir50.pth``), for a tutor its face recognition network. Raises InputError for a file that does not fit.
    """
    model = network(recipe)
    if recipe.architecture in FACES:
        if backbone is None or teacher is not None:
            raise InputError(f"{recipe.name} starts from {model.published} alone: give its file with --backbone")
        model.load_published(backbone, as_input(torch.from_numpy(images[:CALIBRATION])[:, None].float() / 255, recipe.contract))
        return model
    nano = recipe.architecture == "posterpp_nano"
    if backbone is not None:
        if nano:
            raise InputError("the image stream of posterpp_nano is narrower than IR-50; leave --backbone out")
        load_backbone(model, recipe.architecture, backbone)
    if nano and teacher is None:
        model.landmark_stream.load_state_dict(shipped_stream())
        log.info("the landmark stream is the shipped model's; --teacher FILE teaches a new one")
    elif nano and teacher is not None:
        points = teacher_points(load_teacher(teacher), images)
        student = learn_landmarks(images, points, recipe.contract, recipe, model.landmark_stream.channels[0] / 64)
        model.landmark_stream.load_state_dict(stream_weights(student))
    elif teacher is not None:
        model.landmark_stream.load_state_dict(stream_weights(load_teacher(teacher)))
    if not nano and backbone is None:
        log.warning("the image stream starts from random weights; the papers start from a pretrained IR-50 (--backbone)")
    return model


def trained(recipe: Recipe, starts: Sequence[str]) -> nn.Module:
    """Shipped models' names or checkpoints, as the recipe's model; of several the mean of their weights.

    A mean means something only of models that went on from the same weights; then it is often better than each (model soups, Wortsman et al. 2022).
    Raises InputError where architecture, labels or head differ.
    """
    states = [_state(recipe, start) for start in starts]
    model = network(recipe)
    model.load_state_dict({key: torch.stack([state[key].float() for state in states]).mean(dim=0).to(value.dtype) for key, value in states[0].items()})
    return model


def _state(recipe: Recipe, start: str) -> dict[str, Tensor]:
    given, contract = open_trained(model_path(start))
    wanted, found = ((c.architecture, c.labels, head) for c, head in ((recipe.contract, recipe.head.kind), (contract, contract.head)))
    if wanted != found:
        raise InputError(f"{start} cannot start {recipe.name}: it is {_words(*found)}; the recipe needs {_words(*wanted)}")
    return given.state_dict()


def landmarks_as_taught(recipe: Recipe, taught: bool) -> Recipe:
    """The recipe, but a landmark stream that nothing taught is trained along: held, it would feed noise for ever."""
    if taught or not recipe.freeze_landmarks:
        return recipe
    log.warning("the landmark stream starts from random weights and is trained along; the papers freeze a pretrained one (--teacher)")
    return replace(recipe, freeze_landmarks=False)


def _words(architecture: str, labels: tuple[str, ...], head: str) -> str:
    return f"{architecture} with a {head} head for {', '.join(labels)}"


def load_backbone(model: nn.Module, architecture: str, path: Path) -> None:
    """Put the official IR-50 file into the image stream; POSTER++'s three stages are cut from its flat list of units."""
    if not path.is_file():
        raise InputError(f"there is no backbone at {path}; give the official repositories' ir50.pth with --backbone")
    try:
        state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
        state = state.get("state_dict", state)
        ours = {f"image_stream.{key}": key for key in model.image_stream.state_dict()}
        names = {key: name.removeprefix("ir_back.") for key, name in official_names("poster_large", ours).items()}
        model.image_stream.load_state_dict({ours[key]: state[name].float() for key, name in names.items()})
    except Exception as error:
        raise InputError(f"{path.name} is not the state dict of the official IR-50 (input_layer, body)") from error
