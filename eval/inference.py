"""A model over an array of decoded images: batches, any device and runtime, chunks that survive a crash."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from eval.chunks import Arrays, ChunkStore
from poster.contract import ModelContract
from poster.errors import InputError
from poster.fastest import fastest
from poster.preprocess import normalise
from poster.runtime import Run, check, described
from poster.runtime import prepared as ready

Progress = Callable[[int, int], None]
DTYPES = ("float32", "bfloat16", "float16", "tf32")
CHUNK_BATCHES = 8
EMBEDDED = 50_000  # embeddings kept at most, evenly spread: the memory of a run stays flat
WORTH_COMPILING = 512  # images from which a runtime that compiles repays its seconds


class ScoringError(InputError):
    """A model that cannot be scored: no expression head, or outputs that are no numbers."""


@dataclass(frozen=True)
class Compute:
    """Where and how the model runs. batch_size 0 means the device's default.

    runtime: one of ``poster.runtime.RUNTIMES``; empty for the device's own (eager, cuda); "auto" for what is the fastest here in ``dtype``,
    known after :meth:`settled`. bf16 is bfloat16 by its name.
    """

    device: str = "cpu"
    dtype: str = "float32"
    batch_size: int = 0
    runtime: str = ""

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
        if self.runtime == "bf16" and self.dtype == "float32":
            object.__setattr__(self, "dtype", "bfloat16")
        if not self.runtime or (self.runtime == "auto" and self.is_gpu):
            object.__setattr__(self, "runtime", "cuda" if self.is_gpu else "eager")
        if self.runtime != "auto":
            check(self.runtime, self.dtype)
            if (self.runtime == "cuda") != self.is_gpu:
                raise InputError(f"the runtime {self.runtime} does not run on the device {self.device}; leave out one of the two")

    @property
    def is_gpu(self) -> bool:
        """Whether the device is a CUDA GPU."""
        return torch.device(self.device).type == "cuda"

    @property
    def batch(self) -> int:
        """Images a batch."""
        return self.batch_size or (256 if self.is_gpu else 32)

    def settled(self, images: int) -> Compute:
        """With "auto" replaced by a runtime: the fastest one for a run long enough to repay a compilation."""
        if self.runtime != "auto":
            return self
        return replace(self, runtime=fastest(self.dtype) if images >= WORTH_COMPILING else "")

    def environment(self) -> dict[str, str]:
        """What the numbers were made with."""
        software = {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__, "platform": platform.platform()}
        if self.is_gpu:
            software |= {"gpu": torch.cuda.get_device_name(self.device), "cuda": str(torch.version.cuda), "cudnn": str(torch.backends.cudnn.version())}
        return software | described(self.runtime, self.dtype)


@dataclass(frozen=True)
class Outputs:
    """logits: (N, C) float32, already divided by the contract's temperature; embeddings: float32 before the head, or None.

    Of more than EMBEDDED images only those at every :func:`stride`-th position have their embedding kept.
    """

    logits: NDArray[np.float32]
    embeddings: NDArray[np.float32] | None


def placed(model: torch.nn.Module, compute: Compute) -> Run:
    """The model made ready for the device and the runtime: a batch in, logits and embedding out."""
    return ready(model, compute.runtime, compute.dtype, compute.device, compute.batch if compute.is_gpu else 0)


def prepared(block: NDArray[np.uint8], contract: ModelContract, compute: Compute) -> torch.Tensor:
    """uint8 (n, S, S[, 3]) -> (n, 3, S, S) on the device, normalised there: a quarter of the bytes travel, from pinned memory."""
    pixels = torch.from_numpy(block)
    if compute.is_gpu:
        pixels = pixels.pin_memory().to(compute.device, non_blocking=True)
    with torch.inference_mode():
        return normalise(pixels, contract)


def batches(
    model: torch.nn.Module,
    pixels: NDArray[np.uint8],
    contract: ModelContract,
    compute: Compute,
    transform: Callable[[NDArray[np.uint8], int], NDArray[np.uint8]] | None = None,
) -> Iterator[Arrays]:
    """Logits (and embeddings) batch by batch. ``transform`` gets a batch (n, S, S[, 3]) and the position of its first image."""
    compute = compute.settled(len(pixels))
    call = placed(model, compute)
    for start in range(0, len(pixels), compute.batch):
        block = np.array(pixels[start : start + compute.batch])
        if transform is not None:
            block = np.ascontiguousarray(transform(block, start))
        logits, embedding = call(prepared(block, contract, compute))
        arrays = {"logits": (logits / contract.temperature).cpu().numpy()}
        if embedding is not None:
            arrays["embeddings"] = embedding.cpu().numpy()
        yield arrays


def embeddings(
    model: torch.nn.Module, pixels: NDArray[np.uint8], contract: ModelContract, compute: Compute, progress: Progress | None = None
) -> NDArray[np.float32]:
    """(N, D) embeddings before the head, their length still in them; a recognition backbone needs no head. Raises ScoringError."""
    if not hasattr(model, "forward_features"):
        raise ScoringError("the model has no embedding before its head; give a POSTER, POSTER++ or AdaFace checkpoint")
    compute = compute.settled(len(pixels))
    call = placed(model, compute)
    found = []
    for start in range(0, len(pixels), compute.batch):
        block = np.array(pixels[start : start + compute.batch])
        _, embedding = call(prepared(block, contract, compute))
        assert embedding is not None
        found.append(embedding.cpu().numpy())
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
    compute = compute.settled(len(pixels))
    size = compute.batch * CHUNK_BATCHES
    parts: list[Arrays] = []
    for index, start in enumerate(range(0, len(pixels), size)):
        stop = min(start + size, len(pixels))
        chunk = store.read(index) if store else None
        if chunk is None or len(chunk["logits"]) != stop - start:
            done: list[Arrays] = []
            finished = start
            for arrays in batches(model, pixels[start:stop], contract, compute):
                check_finite(arrays["logits"], names[finished : finished + len(arrays["logits"])])  # a slice of all that is left would cost N squared
                done.append(arrays)
                finished += len(arrays["logits"])
                if progress:
                    progress(finished, len(pixels))
            chunk = join(done)
            if store:
                store.write(index, chunk)
        elif progress:
            progress(stop, len(pixels))
        if "embeddings" in chunk:
            chunk["embeddings"] = chunk["embeddings"][-start % stride(len(pixels)) :: stride(len(pixels))]
        parts.append(chunk)
    joined = join(parts)
    return Outputs(joined["logits"], joined.get("embeddings"))


def stride(images: int) -> int:
    """The distance of the images whose embeddings are kept.

    >>> stride(3153), stride(50_000), stride(1_000_000)
    (1, 1, 20)
    """
    return max(1, -(-images // EMBEDDED))


def join(parts: list[Arrays]) -> Arrays:
    """Concatenate the arrays of several batches by name."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def check_finite(logits: NDArray[np.float32], names: tuple[str, ...]) -> None:
    """Raise ScoringError naming the first image whose logits are NaN or infinite."""
    bad = ~np.isfinite(logits).all(axis=1)
    if bad.any():
        raise ScoringError(f"the model's output for the image {names[int(bad.argmax())]} is not a finite number; its weights are damaged or overflow")
