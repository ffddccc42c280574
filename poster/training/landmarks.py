"""The landmark lesson: a small MobileFaceNet learns 68 points from a teacher; a model keeps its stream, the page draws its points."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from poster.backbones import MobileFaceNet
from poster.checkpoint import output_path
from poster.contract import ModelContract
from poster.errors import InputError
from poster.landmarks import SCALE_KEY
from poster.official import official_names
from poster.preprocess import normalise
from poster.shipped import SHIPPED, model_path
from poster.training.augment import degrade, random_affine, warp, warp_points
from poster.training.data import load_ferplus
from poster.training.recipe import Recipe

log = logging.getLogger(__name__)
WHAT = "68 landmarks (iBUG 300-W order) of a face's crop, as fractions of its side"
SOURCE = "distilled by this project from POSTER's MobileFaceNet on FERPlus pictures"
HELD_OUT = 1000  # pictures of PublicTest that measure what was learned


def load_teacher(path: Path) -> MobileFaceNet:
    """POSTER's landmark backbone from its official state dict (136 outputs). Raises InputError when the file is another one."""
    if not path.is_file():
        raise InputError(f"there is no landmark teacher at {path}; give the state dict of POSTER's MobileFaceNet (136 outputs) with --teacher")
    teacher = MobileFaceNet(112, landmark_head=True)
    ours = {f"landmark_stream.{key}": key for key in teacher.state_dict()}
    theirs = official_names("poster_large", ours)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        state = state.get("state_dict", state)
        teacher.load_state_dict({ours[key]: state[name.removeprefix("face_landback.")].float() for key, name in theirs.items()})
    except Exception as error:
        raise InputError(f"{path.name} is not the state dict of POSTER's MobileFaceNet with 136 outputs") from error
    return teacher.eval()


@torch.inference_mode()
def teacher_points(teacher: MobileFaceNet, images: np.ndarray) -> Tensor:
    """grey uint8 (N, H, W) -> the teacher's points (N, 68, 2), fractions of the side. It looks at 112 pixels in 0..1."""
    points = []
    for start in tqdm(range(0, len(images), 64), desc="teacher", unit="batch"):
        batch = torch.from_numpy(images[start : start + 64])[:, None].float() / 255
        points.append(teacher.landmarks(F.interpolate(batch, size=112, mode="bilinear").expand(-1, 3, -1, -1)))
    return torch.cat(points)


def learn_landmarks(
    images: np.ndarray, points: Tensor, contract: ModelContract, recipe: Recipe, scale: float, stream: Mapping[str, Tensor] | None = None
) -> MobileFaceNet:
    """A MobileFaceNet of ``scale``, head and all, that learned the points by L1; in eval mode.

    images: grey uint8 (N, S, S), S the contract's input size; points: (N, 68, 2), fractions of the side. stream: weights to begin with
    below the head; None: random ones. Raises InputError where the recipe leaves nothing to learn.
    """
    steps = len(images) // recipe.batch_size
    if steps < 1 or recipe.landmark_epochs < 1:
        raise InputError(f"{len(images)} pictures and {recipe.landmark_epochs} epochs teach nothing; give an epoch and {recipe.batch_size} pictures or more")
    student = MobileFaceNet(contract.input_size, scale, landmark_head=True)
    if stream is not None:
        student.load_state_dict({**student.state_dict(), **stream})
    optimizer = torch.optim.AdamW(student.parameters(), lr=recipe.landmark_lr, weight_decay=0.01)
    pixels = torch.from_numpy(images)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.landmark_lr, total_steps=recipe.landmark_epochs * steps)
    # Begin at the mean face, with deviations of a few hundredths: BatchNorm's own start is off by a whole side.
    assert student.landmark_head is not None  # asked for above
    nn.init.constant_(student.landmark_head.bn.weight, 0.05)
    with torch.no_grad():
        student.landmark_head.bn.bias.copy_(points.mean(dim=0).flatten())
    student.train()
    for epoch in range(recipe.landmark_epochs):
        order = torch.randperm(len(images))
        total = 0.0
        for step in tqdm(range(steps), desc=f"landmarks {epoch + 1}/{recipe.landmark_epochs}", unit="batch"):
            chosen = order[step * recipe.batch_size : (step + 1) * recipe.batch_size]
            affine = random_affine(len(chosen), recipe.augmentation)
            batch = degrade(warp(pixels[chosen][:, None].float() / 255, affine), recipe.augmentation)
            loss = F.l1_loss(student.landmarks(as_input(batch, contract)), warp_points(points[chosen], affine))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        log.info("landmarks epoch %d: mean error %.4f of the side", epoch + 1, total / steps)
    return student.eval()


def stream_weights(network: MobileFaceNet) -> dict[str, Tensor]:
    """Its weights less those of the head that reads the points off: what a model's landmark stream consists of."""
    return {key: value for key, value in network.state_dict().items() if not key.startswith("landmark_head.")}


def shipped_stream() -> dict[str, Tensor]:
    """The shipped model's landmark stream, float32: it learned the points already, from the same teacher."""
    prefix = "landmark_stream."
    return {key.removeprefix(prefix): value.float() for key, value in load_file(model_path(SHIPPED)).items() if key.startswith(prefix)}


@torch.inference_mode()
def mean_distance(network: MobileFaceNet, images: np.ndarray, points: Tensor, contract: ModelContract) -> float:
    """How far its points lie from ``points`` (N, 68, 2) on average, a fraction of the side; images: grey uint8 (N, S, S)."""
    found = [network.landmarks(normalise(torch.from_numpy(images[start : start + 64]), contract)) for start in range(0, len(images), 64)]
    return float((torch.cat(found) - points).norm(dim=2).mean())


def teach(recipe: Recipe, data_dir: Path, teacher: Path, out: Path) -> dict[str, Any]:
    """The lesson for :mod:`poster.landmarks`: from FERPlus and the teacher to float16 safetensors; returns the file and its error.

    It begins with the shipped model's stream, so that little more than the head has to be learned. Pictures of PublicTest, which it does
    not learn from, measure it. Raises InputError where data, teacher, recipe or ``out`` do not fit; ``out`` appears whole or not at all.
    """
    knows = load_teacher(teacher)
    target = output_path(out, (".safetensors",), teacher)
    data = load_ferplus(data_dir, recipe.contract.input_size)
    contract = recipe.contract.replace(architecture="mobilefacenet", labels=(), head="none", source=SOURCE)
    taught, held_out = data.images[data.train[: recipe.landmark_pictures]], data.images[data.validation[:HELD_OUT]]
    stream = shipped_stream()
    scale = len(stream["stem.conv.weight"]) / 64  # POSTER's has 64 channels there
    torch.manual_seed(recipe.seed)
    student = learn_landmarks(taught, teacher_points(knows, taught), contract, recipe, scale, stream)
    state = {key: value.half() if value.is_floating_point() else value for key, value in student.state_dict().items()}
    student.load_state_dict(state)
    error = mean_distance(student, held_out, teacher_points(knows, held_out), contract)
    measured = {"split": data.split, "pictures": len(held_out), "mean_distance": round(error, 5)}
    about = {"what": WHAT, SCALE_KEY: str(scale), "held_out": json.dumps(measured)}
    temporary = target.with_suffix(".part")
    save_file(state, temporary, about | contract.to_metadata())
    os.replace(temporary, target)
    return {"file": str(target), "pictures": len(taught), "epochs": recipe.landmark_epochs, "held_out": measured}


def as_input(batch: Tensor, contract: ModelContract) -> Tensor:
    """(N, 1, S, S) grey or (N, 3, S, S) RGB in 0..1 -> what :func:`poster.preprocess.normalise` makes of the same pixels."""
    pixels = (batch * 255).round()
    return normalise(pixels[:, 0] if batch.shape[1] == 1 else pixels.permute(0, 2, 3, 1), contract)
