"""A model over an array of decoded images: batches, any device, autocast where asked, chunks that survive a crash."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from eval.chunks import Arrays, ChunkStore
from poster.contract import ModelContract
from poster.errors import InputError
from poster.preprocess import normalise

Progress = Callable[[int, int], None]
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
CHUNK_BATCHES = 8


class ScoringError(InputError):
    """A model that cannot be scored: no expression head, or outputs that are no numbers."""


@dataclass(frozen=True)
class Compute:
    """Where and how the model runs. batch_size 0 means the device's default; dtype other than float32 means autocast."""

    device: str = "cpu"
    dtype: str = "float32"
    batch_size: int = 0

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise InputError(f"the dtype {self.dtype!r} is not one of {', '.join(DTYPES)}")
        if self.batch_size < 0:
            raise InputError(f"the batch size {self.batch_size} is negative; give a number of images, or 0 for the device's default")
        try:
            available = torch.device(self.device).type == "cpu" or (torch.device(self.device).type == "cuda" and torch.cuda.is_available())
        except RuntimeError:
            available = False
        if not available:
            raise InputError(f"the device {self.device!r} is not available here; use cpu" + (" or cuda" if torch.cuda.is_available() else ""))

    @property
    def batch(self) -> int:
        """Images a batch."""
        return self.batch_size or (32 if torch.device(self.device).type == "cpu" else 256)

    def environment(self) -> dict[str, str]:
        """What the numbers were made with."""
        software = {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__, "platform": platform.platform()}
        if torch.device(self.device).type == "cuda":
            software |= {"gpu": torch.cuda.get_device_name(self.device), "cuda": str(torch.version.cuda), "cudnn": str(torch.backends.cudnn.version())}
        return software


@dataclass(frozen=True)
class Outputs:
    """logits: (N, C) float32, already divided by the contract's temperature; embeddings: (N, D) float32 before the head, or None."""

    logits: NDArray[np.float32]
    embeddings: NDArray[np.float32] | None


@contextmanager
def computing(compute: Compute) -> Iterator[None]:
    """Inference in the asked precision; float32 means float32 on the GPU too, where cuDNN would use TF32 for convolutions by default."""
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    low = compute.dtype != "float32"
    try:
        with torch.inference_mode(), torch.autocast(torch.device(compute.device).type, DTYPES[compute.dtype] if low else None, enabled=low):
            yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


def placed(model: torch.nn.Module, compute: Compute) -> torch.nn.Module:
    """The model on the device, its convolutions in channels-last order: faster on a CPU, the same to rounding."""
    return model.to(device=torch.device(compute.device), memory_format=torch.channels_last)


def prepared(block: NDArray[np.uint8], contract: ModelContract, compute: Compute) -> torch.Tensor:
    """uint8 (n, S, S[, 3]) -> (n, 3, S, S) on the device, normalised there."""
    return normalise(torch.from_numpy(block).to(compute.device), contract).to(memory_format=torch.channels_last)


def forward(model: Any, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Logits and, where the model offers it, the embedding before the head: (N, 3, S, S) -> (N, C), (N, D)."""
    if hasattr(model, "forward_features") and hasattr(model, "forward_head"):
        embedding = model.forward_features(batch)
        return model.forward_head(embedding), embedding.flatten(1)
    return model(batch), None


def batches(
    model: torch.nn.Module,
    pixels: NDArray[np.uint8],
    contract: ModelContract,
    compute: Compute,
    transform: Callable[[NDArray[np.uint8], int], NDArray[np.uint8]] | None = None,
) -> Iterator[Arrays]:
    """Logits (and embeddings) batch by batch. ``transform`` gets a batch (n, S, S[, 3]) and the position of its first image."""
    model = placed(model, compute)
    for start in range(0, len(pixels), compute.batch):
        block = np.array(pixels[start : start + compute.batch])
        if transform is not None:
            block = np.ascontiguousarray(transform(block, start))
        with computing(compute):  # not around the yield: the caller's code would run under it
            logits, embedding = forward(model, prepared(block, contract, compute))
            arrays = {"logits": (logits.float() / contract.temperature).cpu().numpy()}
            if embedding is not None:
                arrays["embeddings"] = embedding.float().cpu().numpy()
        yield arrays


def embeddings(
    model: torch.nn.Module, pixels: NDArray[np.uint8], contract: ModelContract, compute: Compute, progress: Progress | None = None
) -> NDArray[np.float32]:
    """(N, D) embeddings before the head, their length still in them; a recognition backbone needs no head. Raises ScoringError."""
    if not hasattr(model, "forward_features"):
        raise ScoringError("the model has no embedding before its head; give a POSTER, POSTER++ or AdaFace checkpoint")
    features: Any = placed(model, compute).forward_features
    found = []
    for start in range(0, len(pixels), compute.batch):
        block = np.array(pixels[start : start + compute.batch])
        with computing(compute):
            found.append(features(prepared(block, contract, compute)).flatten(1).float().cpu().numpy())
        if progress:
            progress(start + len(block), len(pixels))
    joined = np.concatenate(found)
    if not np.isfinite(joined).all():
        raise ScoringError("an embedding is not a finite number; the weights are damaged or overflow")
    return joined


def infer(
    model: torch.nn.Module,
    pixels: NDArray[np.uint8],
    contract: ModelContract,
    compute: Compute,
    names: tuple[str, ...],
    store: ChunkStore | None = None,
    progress: Progress | None = None,
) -> Outputs:
    """All images, in chunks that are read back from ``store`` when an earlier run finished them. Raises ScoringError naming the image
    whose logits are not finite."""
    size = compute.batch * CHUNK_BATCHES
    parts: list[Arrays] = []
    for index, start in enumerate(range(0, len(pixels), size)):
        stop = min(start + size, len(pixels))
        chunk = store.read(index) if store else None
        if chunk is None or len(chunk["logits"]) != stop - start:
            done: list[Arrays] = []
            for arrays in batches(model, pixels[start:stop], contract, compute):
                check_finite(arrays["logits"], names[start + sum(len(part["logits"]) for part in done) :])
                done.append(arrays)
                if progress:
                    progress(start + sum(len(part["logits"]) for part in done), len(pixels))
            chunk = join(done)
            if store:
                store.write(index, chunk)
        elif progress:
            progress(stop, len(pixels))
        parts.append(chunk)
    joined = join(parts)
    return Outputs(joined["logits"], joined.get("embeddings"))


def join(parts: list[Arrays]) -> Arrays:
    """Concatenate the arrays of several batches by name."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def check_finite(logits: NDArray[np.float32], names: tuple[str, ...]) -> None:
    """Raise ScoringError naming the first image whose logits are NaN or infinite."""
    bad = ~np.isfinite(logits).all(axis=1)
    if bad.any():
        raise ScoringError(f"the model's output for the image {names[int(bad.argmax())]} is not a finite number; its weights are damaged or overflow")
