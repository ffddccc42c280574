"""How good the weights are on the validation split, and the temperature that calibrates them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from poster.contract import ModelContract
from poster.training.landmarks import as_input


@torch.no_grad()
def predict(model: nn.Module, images: np.ndarray, contract: ModelContract, size: int = 128, bar: str | None = None) -> Tensor:
    """uint8 grey (N, S, S) or RGB (N, S, S, 3) -> logits (N, K), float32, eval mode, on the CPU. bar: what a progress bar says it is about."""
    was_training = model.training
    device = next(model.parameters()).device
    model.eval()
    parts = []
    for start in tqdm(range(0, len(images), size), desc=bar, unit="batch", mininterval=5, disable=bar is None):
        part = torch.from_numpy(np.ascontiguousarray(images[start : start + size])).to(device)
        pixels = (part[:, None] if part.ndim == 3 else part.permute(0, 3, 1, 2)).float() / 255
        parts.append(model(as_input(pixels, contract)).float().cpu())
    model.train(was_training)
    return torch.cat(parts)


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


def confusion(logits: Tensor, labels: np.ndarray) -> np.ndarray:
    """int64 (K, K): rows the labels, columns the predictions."""
    classes = logits.shape[1]
    return np.bincount(labels * classes + logits.argmax(dim=1).numpy(), minlength=classes * classes).reshape(classes, classes)


def fit_temperature(logits: Tensor, labels: np.ndarray) -> float:
    """The temperature, from 0.05 to 20, that minimises the cross-entropy of ``logits / T`` on a validation split (Guo et al. 2017)."""
    target = torch.from_numpy(labels)
    log_t = torch.zeros((), requires_grad=True)
    optimizer = torch.optim.LBFGS([log_t], max_iter=50)

    def bounded(logarithm: Tensor) -> Tensor:
        return logarithm.clamp(-3, 3).exp()  # where all or nothing is right, the optimum lies at 0 or nowhere

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(logits / bounded(log_t), target)
        loss.backward()
        return loss

    optimizer.step(closure)
    return float(bounded(log_t.detach()))
