"""The landmark lesson: a small MobileFaceNet learns 68 points from a teacher, so that its maps know where a face's parts are."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from poster.backbones import MobileFaceNet
from poster.contract import ModelContract
from poster.errors import InputError
from poster.official import official_names
from poster.preprocess import normalise
from poster.training.augment import degrade, random_affine, warp, warp_points
from poster.training.recipe import Recipe

log = logging.getLogger(__name__)


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


def learn_landmarks(stream: MobileFaceNet, side: int, images: np.ndarray, points: Tensor, contract: ModelContract, recipe: Recipe) -> float:
    """Train ``stream`` in place by L1 on the points; returns the last epoch's mean error as a fraction of the side.

    images: grey uint8 (N, side, side); points: (N, 68, 2). The head that reads the points off is not kept.
    """
    student = MobileFaceNet(side, stream.channels[0] / 64, landmark_head=True)
    optimizer = torch.optim.AdamW(student.parameters(), lr=recipe.landmark_lr, weight_decay=0.01)
    pixels = torch.from_numpy(images)
    steps = len(images) // recipe.batch_size
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.landmark_lr, total_steps=recipe.landmark_epochs * steps)
    # Begin at the mean face, with deviations of a few hundredths: BatchNorm's own start is off by a whole side.
    assert student.landmark_head is not None  # asked for above
    nn.init.constant_(student.landmark_head.bn.weight, 0.05)
    with torch.no_grad():
        student.landmark_head.bn.bias.copy_(points.mean(dim=0).flatten())
    student.train()
    error = float("nan")
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
        error = total / max(steps, 1)
        log.info("landmarks epoch %d: mean error %.4f of the side", epoch + 1, error)
    stream.load_state_dict({key: value for key, value in student.state_dict().items() if not key.startswith("landmark_head.")})
    return error


def as_input(batch: Tensor, contract: ModelContract) -> Tensor:
    """(N, 1, S, S) grey or (N, 3, S, S) RGB in 0..1 -> what :func:`poster.preprocess.normalise` makes of the same pixels."""
    pixels = (batch * 255).round()
    return normalise(pixels[:, 0] if batch.shape[1] == 1 else pixels.permute(0, 2, 3, 1), contract)
