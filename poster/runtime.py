"""How a model runs: eager, bf16 or cuda behind one call. Which of them is the fastest here: see poster/fastest.py."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from poster.errors import InputError
from poster.packed import packed
from poster.rewrite import rewritten
from poster.shares import in_shares

# Precisions a runtime offers, its usual one first. eager reaches the low ones by autocast, bf16 holds the weights themselves in bfloat16.
RUNTIMES = {
    "eager": ("float32", "bfloat16", "float16"),
    "bf16": ("bfloat16",),
    "cuda": ("float32", "tf32", "bfloat16", "float16"),
}
Run = Callable[[Tensor], tuple[Tensor, Tensor | None]]


class RuntimeChoiceError(InputError):
    """A runtime that is not known, not installed, or does not offer the precision."""


def check(name: str, dtype: str) -> None:
    """Raise RuntimeChoiceError for a runtime that is not here or a precision that it does not have."""
    if name not in RUNTIMES:
        raise RuntimeChoiceError(f"the runtime {name!r} is not one of {', '.join(RUNTIMES)}, auto")
    if dtype not in RUNTIMES[name]:
        raise RuntimeChoiceError(f"the runtime {name} does not compute in {dtype!r}; it offers {', '.join(RUNTIMES[name])}")
    if name == "cuda" and not torch.cuda.is_available():
        raise RuntimeChoiceError("the runtime cuda needs an NVIDIA GPU and a CUDA build of torch, absent here; choose eager")


def described(name: str, dtype: str) -> dict[str, str]:
    """Runtime and precision, for a result."""
    return {"runtime": name, "precision": dtype}


_ready: WeakKeyDictionary[nn.Module, dict[tuple[Any, ...], Run]] = WeakKeyDictionary()
_lean: WeakKeyDictionary[nn.Module, tuple[tuple[Any, ...], nn.Module]] = WeakKeyDictionary()
_making = threading.Lock()


def prepared(model: nn.Module, name: str = "eager", dtype: str = "float32", device: str = "cpu", batch: int = 0) -> Run:
    """A model in eval mode made ready: images (N, 3, S, S) normalised float32 on ``device`` -> logits (N, K) and embedding (N, D) or None, float32.

    Made once for a model as long as its weights are the same and it lives. batch: for cuda, the size a CUDA graph is recorded for (0: none).
    The model itself is left as it is, on its device. Safe to call from several threads. Raises RuntimeChoiceError.
    """
    check(name, dtype)
    weights = _versions(model)
    key = (name, dtype, device, batch, torch.get_num_threads(), weights)
    with _making:
        known = _ready.setdefault(model, {})
        if key not in known:
            for old in [other for other in known if other[-1] != weights]:
                del known[old]
            known[key] = _torch(model, name, dtype, device, batch)
        return known[key]


def lean(model: nn.Module) -> nn.Module:
    """The model rewritten (poster/rewrite.py) in its own precision, on its own device, for passes with gradients at its input and its streams' maps.

    Made once for a model as long as its weights are the same and it lives. Its attention maps cannot be listened to.
    """
    weights = _versions(model)
    with _making:
        known = _lean.get(model)
        if known is None or known[0] != weights:
            known = _lean[model] = (weights, rewritten(model, explained=True))
        return known[1]


def _versions(model: nn.Module) -> tuple[Any, ...]:
    """What changes when weights are changed in place, or moved."""
    return tuple((tensor._version, tensor.device, tensor.dtype) for tensor in (*model.parameters(), *model.buffers()) if not tensor.is_inference())


def both(model: Any, images: Tensor) -> tuple[Tensor, Tensor | None]:
    """Logits and, where the model offers it, the embedding before its head: (N, 3, S, S) -> (N, K), (N, D)."""
    if hasattr(model, "forward_features") and hasattr(model, "forward_head"):
        embedding = model.forward_features(images)
        return model.forward_head(embedding), embedding.flatten(1)
    return model(images), None


def _torch(model: nn.Module, name: str, dtype: str, device: str, batch: int) -> Run:
    place, precision = torch.device(device), getattr(torch, dtype, torch.float32)
    # On the CPU bf16 weights are much faster than autocast, which casts them anew in every call; both rounded alike.
    whole = name == "bf16" or (name == "cuda" and precision != torch.float32)
    fewer = (place.type, dtype) == ("cpu", "float32")
    ready = rewritten(model, winograd=fewer).to(device=place, dtype=precision if whole else None)

    low = not whole and precision != torch.float32
    if place.type == "cpu" and not low:
        ready = packed(ready)

    def call(images: Tensor) -> tuple[Tensor, Tensor | None]:
        with torch.inference_mode(), torch.autocast(place.type, precision if low else None, enabled=low):
            images = images.to(dtype=precision if whole else None, memory_format=torch.channels_last)
            logits, embedding = both(ready, images)
            return logits.float(), None if embedding is None else embedding.float()

    if place.type == "cpu":
        return lambda images: _joined(in_shares(call, images))

    def exact(images: Tensor) -> tuple[Tensor, Tensor | None]:
        with _tf32(dtype == "tf32"):
            return call(images)

    if name == "cuda" and batch:
        from poster.cuda_graph import Graphed

        return Graphed(exact, place, batch)
    return exact


@contextmanager
def _tf32(allowed: bool) -> Iterator[None]:
    """Whether float32 on a GPU may be computed in TF32, which is cuDNN's own default; a setting of the whole process."""
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = allowed
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


def _joined(parts: list[tuple[Tensor, Tensor | None]]) -> tuple[Tensor, Tensor | None]:
    logits, embeddings = zip(*parts, strict=True)
    return torch.cat(logits), None if embeddings[0] is None else torch.cat(embeddings)
