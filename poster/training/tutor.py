"""A tutor: a larger trained model whose answers to the very pictures a student is shown become part of what the student is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from poster.checkpoint import load_model
from poster.contract import ModelContract
from poster.errors import CheckpointError, InputError
from poster.training.faces import FACES


class Tutor(nn.Module):
    """``forward``: normalised images (N, 3, S, S) -> the mean of its models' probabilities (N, K).

    Without the temperatures of their contracts: those bring an answer to the labels' certainty, and a student learns votes, which are softer.
    """

    def __init__(self, models: Sequence[nn.Module], bf16: bool) -> None:
        super().__init__()
        self.models, self.bf16 = nn.ModuleList(models), bf16
        self.requires_grad_(False).eval()

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.bf16):
            logits = [model(images).float() for model in self.models]
        return torch.stack([each.softmax(dim=1) for each in logits]).mean(dim=0)


def load_tutor(paths: Sequence[Path], student: ModelContract, bf16: bool) -> Tutor:
    """From finished runs (``model.safetensors``) or any checkpoint. Raises InputError for one that does not see what the student sees."""
    found = [_opened(path) for path in paths]
    for path, (_, contract) in zip(paths, found, strict=True):
        differing = [name for name in ("labels", "input_size", "channels", "mean", "std", "interpolation") if getattr(contract, name) != getattr(student, name)]
        if differing:
            raise InputError(f"{path} cannot be the tutor: its {', '.join(differing)} differ from the recipe's; give one trained on the same input")
    return Tutor([model for model, _ in found], bf16)


def _opened(path: Path) -> tuple[nn.Module, ModelContract]:
    try:
        return open_trained(path)
    except InputError as error:
        raise InputError(f"the tutor {path}: {error}") from error


def open_trained(path: Path) -> tuple[nn.Module, ModelContract]:
    """Any checkpoint, or the finished run of a face recognition network, which no other part of the project opens. Raises InputError."""
    try:
        with safe_open(path, "pt") as file:
            contract = ModelContract.from_metadata(file.metadata())
    except (OSError, SafetensorError, CheckpointError):
        contract = None
    if contract is None or contract.architecture not in FACES:
        loaded = load_model(path)
        return loaded, loaded.contract
    model = FACES[contract.architecture](contract.num_classes, contract.mean[0], contract.std[0])
    try:
        model.load_state_dict({name: value.float() if value.is_floating_point() else value for name, value in load_file(path).items()})
    except RuntimeError as error:
        raise InputError(f"{path} does not hold the weights its contract names; train it again") from error
    return model, contract
