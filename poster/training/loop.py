"""The training loop: soft votes, AdamW under a cosine, an average of the weights, a resumable checkpoint after every epoch."""

from __future__ import annotations

import csv
import dataclasses
import json
import logging
import math
import os
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from poster.contract import ModelContract
from poster.training.augment import degrade, random_affine, warp
from poster.training.data import TrainingData
from poster.training.landmarks import as_input
from poster.training.recipe import Recipe

log = logging.getLogger(__name__)
LAST, BEST, LOG = "last.pt", "best.pt", "log.csv"


def train(model: nn.Module, contract: ModelContract, data: TrainingData, recipe: Recipe, out: Path, resume: bool = False) -> dict[str, Tensor]:
    """Train ``model`` and return the averaged weights of the epoch with the lowest cross-entropy on the validation split.

    The cross-entropy chooses because it is steadier: a few thousand pictures leave the accuracy uncertain by more than epochs differ.

    A crash loses at most one epoch: ``out/last.pt`` is replaced atomically after each, and every epoch draws its random
    numbers from (seed, epoch), so a resumed run repeats the uninterrupted one.
    """
    freeze(model)
    average = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(recipe.ema), use_buffers=True)
    auxiliary = Auxiliary(model, data.votes.shape[1])
    trained = nn.ModuleList([model, auxiliary])
    optimizer = torch.optim.AdamW(_groups(trained, recipe.weight_decay), lr=recipe.lr, betas=(0.9, 0.99))
    steps = len(data.train) // recipe.batch_size
    start, best = 0, math.inf
    if resume and (out / LAST).is_file():
        state = torch.load(out / LAST, map_location="cpu", weights_only=True)
        trained.load_state_dict(state["trained"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        start, best = state["epoch"], state["best"]
        log.info("resuming after epoch %d", start)
    for epoch in range(start, recipe.epochs):
        began = time.perf_counter()
        torch.manual_seed(recipe.seed * 100003 + epoch)
        rows = data.draw(np.random.default_rng((recipe.seed, epoch)), recipe.class_balance)
        model.train()
        freeze(model)
        total = 0.0
        how = recipe.augmentation.scaled(min(1.0, epoch / recipe.ramp_epochs) if recipe.ramp_epochs else 1.0)
        bar = tqdm(range(steps), desc=f"epoch {epoch + 1}/{recipe.epochs}", unit="batch", mininterval=5)
        for step in bar:
            lr = learning_rate(recipe, epoch + step / steps)
            for group in optimizer.param_groups:
                group["lr"] = lr
            chosen = rows[step * recipe.batch_size : (step + 1) * recipe.batch_size]
            pixels = torch.from_numpy(data.images[chosen])[:, None].float() / 255
            images = degrade(warp(pixels, random_affine(len(chosen), how)), how)
            with torch.autocast("cpu", torch.bfloat16, enabled=recipe.bf16):
                logits = model(as_input(images, contract))
                from_image = auxiliary()
            votes = torch.from_numpy(data.votes[chosen])
            loss = F.cross_entropy(logits.float(), votes)
            total += loss.item()
            loss = loss + recipe.auxiliary * F.cross_entropy(from_image.float(), votes)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_([p for p in trained.parameters() if p.requires_grad], recipe.clip_norm)
            optimizer.step()
            average.update_parameters(model)
            bar.set_postfix(loss=f"{total / (step + 1):.3f}", refresh=False)
        logits = predict(average.module, data.images[data.validation], contract)
        row = {"epoch": epoch + 1, "lr": lr, "train_loss": total / steps, **scores(logits, data.labels[data.validation])}
        row["seconds"] = time.perf_counter() - began
        _append(out / LOG, row, first=epoch == 0)
        log.info(json.dumps({key: round(value, 5) for key, value in row.items()}))
        if row["loss"] < best:
            best = row["loss"]
            _save(out / BEST, average.module.state_dict())
        progress = {"epoch": epoch + 1, "best": best}
        _save(out / LAST, {"trained": trained.state_dict(), "average": average.state_dict(), "optimizer": optimizer.state_dict(), **progress})
    return torch.load(out / BEST, map_location="cpu", weights_only=True)


class Auxiliary(nn.Module):
    """A linear classifier on the image stream's last map, which it listens to: logits (N, K) of the batch that passed last."""

    def __init__(self, model: nn.Module, num_classes: int) -> None:
        super().__init__()
        self._map: list[Tensor] = []
        model.image_stream.register_forward_hook(lambda _module, _inputs, maps: self._map.__setitem__(slice(None), [maps[-1]]))
        width = model.image_stream.stages[-1][-1].bn2.num_features
        self.linear = nn.Linear(width, num_classes)

    def forward(self) -> Tensor:
        return self.linear(self._map[0].mean(dim=(2, 3)))


def freeze(model: nn.Module) -> None:
    """Keep the landmark stream as it was taught: no gradient, and BatchNorm on its stored statistics."""
    model.landmark_stream.requires_grad_(False).eval()


def learning_rate(recipe: Recipe, epoch: float) -> float:
    """Linear warm-up, then a half cosine to a hundredth of the peak; ``epoch`` counts in fractions."""
    if epoch < recipe.warmup_epochs:
        return recipe.lr * (epoch + 0.02) / (recipe.warmup_epochs + 0.02)
    done = (epoch - recipe.warmup_epochs) / max(recipe.epochs - recipe.warmup_epochs, 1e-9)
    return recipe.lr * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(done, 1))))


@torch.no_grad()
def predict(model: nn.Module, images: np.ndarray, contract: ModelContract, batch: int = 128) -> Tensor:
    """grey uint8 (N, S, S) -> logits (N, K), float32, eval mode."""
    was_training = model.training
    model.eval()
    parts = [images[i : i + batch] for i in range(0, len(images), batch)]
    logits = torch.cat([model(as_input(torch.from_numpy(part)[:, None].float() / 255, contract)) for part in parts])
    model.train(was_training)
    return logits


def scores(logits: Tensor, labels: np.ndarray) -> dict[str, float]:
    """Accuracy, mean class accuracy and cross-entropy of (N, K) logits against (N,) labels."""
    target = torch.from_numpy(labels)
    hit = (logits.argmax(dim=1) == target).double()
    per_class = [hit[target == c].mean() for c in target.unique()]
    return {
        "accuracy": hit.mean().item(),
        "mean_class_accuracy": torch.stack(per_class).mean().item(),
        "loss": F.cross_entropy(logits, target).item(),
    }


def fit_temperature(logits: Tensor, labels: np.ndarray) -> float:
    """The temperature that minimises the cross-entropy of ``logits / T`` on a validation split (Guo et al. 2017)."""
    target = torch.from_numpy(labels)
    log_t = torch.zeros((), requires_grad=True)
    optimizer = torch.optim.LBFGS([log_t], max_iter=50)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(logits / log_t.exp(), target)
        loss.backward()
        return loss

    optimizer.step(closure)
    return float(log_t.detach().exp())


def _groups(model: nn.Module, weight_decay: float) -> list[dict]:
    """No weight decay on vectors: norms, biases, PReLU slopes, layer scale."""
    matrices = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    vectors = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]


def _append(path: Path, row: dict[str, float], first: bool) -> None:
    with path.open("w" if first else "a", newline="") as file:
        writer = csv.DictWriter(file, row)
        if first:
            writer.writeheader()
        writer.writerow({key: f"{value:.6g}" for key, value in row.items()})


def _save(path: Path, state: object) -> None:
    temporary = path.with_suffix(".part")
    torch.save(state, temporary)
    os.replace(temporary, path)


def save_recipe(recipe: Recipe, path: Path) -> None:
    """Write every value of the recipe as JSON beside the run."""
    path.write_text(json.dumps(dataclasses.asdict(recipe), indent=1) + "\n")
