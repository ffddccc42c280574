"""Several runs in step: every batch is drawn and varied once, and each run learns from it; streams that are held are run once for all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from poster.training.data import TrainingData
from poster.training.landmarks import as_input
from poster.training.learner import Learner, average_map
from poster.training.loop import batch, plan, save, set_rate, step_once, warming_average
from poster.training.recipe import Recipe
from poster.training.schedule import build_optimizer

EVALUATED = 128  # pictures taken through the networks at once


class Trainee:
    """One run: its model, what trains it, the epochs it has behind it and a row of scores for each. ``path`` is its checkpoint."""

    def __init__(self, name: str, model: nn.Module, recipe: Recipe, path: Path, device: torch.device | str = "cpu") -> None:
        self.name, self.model, self.recipe, self.path = name, model, recipe, path
        torch.manual_seed(recipe.seed)  # for the auxiliary layer: the same in all runs of a seed
        self.learner = Learner(model, recipe, len(recipe.contract.labels))
        if recipe.freeze_landmarks:
            self.learner.hold_landmarks()
        self.learner.to(device)
        self.average = AveragedModel(model, multi_avg_fn=warming_average(recipe.ema), use_buffers=True) if recipe.ema else None
        self.optimizer = build_optimizer(self.learner, recipe)
        self.parameters = [p for p in self.learner.parameters() if p.requires_grad]
        self.rows: list[dict[str, float]] = []

    @property
    def epoch(self) -> int:
        """Finished epochs."""
        return len(self.rows)

    @property
    def finished(self) -> Any:
        """The model whose answers count: the average of the weights where the recipe has one."""
        return self.model if self.average is None else self.average.module

    def save(self) -> None:
        average = {} if self.average is None else self.average.state_dict()
        save(self.path, {"trained": self.learner.state_dict(), "optimizer": self.optimizer.state_dict(), "average": average, "rows": self.rows})

    def restore(self, device: torch.device | str) -> None:
        """Go on where the checkpoint stopped, if there is one."""
        if self.path.is_file():
            state = torch.load(self.path, map_location=device, weights_only=True)
            self.learner.load_state_dict(state["trained"])
            self.optimizer.load_state_dict(state["optimizer"])
            if self.average is not None:
                self.average.load_state_dict(state["average"])
            self.rows = state["rows"]


def run_epoch(epoch: int, trainees: Sequence[Trainee], shared: Any, data: TrainingData, accelerator: Accelerator, steps: int | None = None) -> None:
    """One epoch of all ``trainees``, which differ in head or fusion alone; each gets a row with its learning rate and training loss.

    shared: the model whose streams, held, feed all of them; None where each trains its own. The random numbers of a step follow from seed, epoch and
    step, so a run sees the same pictures, and drops the same paths, whatever runs beside it. steps: fewer than the recipe's, to see what they take.
    """
    recipe = trainees[0].recipe
    rows, planned, how = plan(epoch, data, recipe)
    for trainee in trainees:
        trainee.learner.train()
        if recipe.freeze_landmarks:
            trainee.learner.hold_landmarks()
    if shared is not None:
        shared.eval()
    total, lr = dict.fromkeys(trainees, 0.0), recipe.lr
    bar = tqdm(range(min(steps or planned, planned)), desc=f"seed {recipe.seed}, epoch {epoch + 1}/{recipe.epochs}", unit="batch", mininterval=5)
    for step in bar:
        number = (recipe.seed * 100003 + epoch) * 100003 + step
        torch.manual_seed(number)
        images, wanted = batch(data, rows[step * recipe.batch_size :][: recipe.batch_size], how, recipe, recipe.contract, accelerator.device)
        inputs = (images, wanted, _maps(shared, images, recipe)) if shared is not None else (images, wanted)
        for trainee in trainees:
            torch.manual_seed(number)
            lr = set_rate(trainee.optimizer, trainee.recipe, epoch + step / planned)
            total[trainee] += step_once(accelerator, trainee.learner, trainee.parameters, trainee.optimizer, trainee.recipe, inputs)
            if trainee.average is not None:
                trainee.average.update_parameters(trainee.model)
        first = trainees[0]
        bar.set_postfix(loss=f"{first.name} {total[first] / (step + 1):.3f}", refresh=False)
    for trainee in trainees:
        trainee.rows.append({"epoch": epoch + 1, "lr": lr, "train_loss": total[trainee] / planned})


@torch.no_grad()
def answers(trainees: Sequence[Trainee], shared: Any, images: np.ndarray, device: torch.device | str) -> list[dict[str, Tensor]]:
    """What each finished model says of uint8 pictures (N, S, S): "logits" (N, K), and the norms (N,) of the "fused" and the "image" feature.

    In the precision they are trained in, the head in float32.
    """
    recipe = trainees[0].recipe
    found: list[dict[str, list[Tensor]]] = [{"logits": [], "fused": [], "image": []} for _ in trainees]
    for start in range(0, len(images), EVALUATED):
        part = torch.from_numpy(np.ascontiguousarray(images[start : start + EVALUATED])).to(device)
        pixels = as_input((part[:, None] if part.ndim == 3 else part.permute(0, 3, 1, 2)).float() / 255, recipe.contract)
        held = None if shared is None else _maps(shared.eval(), pixels, recipe)
        for trainee, kept in zip(trainees, found, strict=True):
            model = trainee.finished.eval()
            with torch.autocast(pixels.device.type, torch.bfloat16, enabled=recipe.bf16):
                maps = model.forward_maps(pixels) if held is None else held
                embedding = model.fuse(*maps).float()
            kept["logits"].append(model.forward_head(embedding).cpu())
            kept["fused"].append(embedding.norm(dim=1).cpu())
            kept["image"].append(average_map(maps[0]).float().norm(dim=1).cpu())
    return [{name: torch.cat(parts) for name, parts in kept.items()} for kept in found]


@torch.no_grad()
def _maps(shared: Any, pixels: Tensor, recipe: Recipe) -> Any:
    with torch.autocast(pixels.device.type, torch.bfloat16, enabled=recipe.bf16):
        return shared.forward_maps(pixels)
