"""One benchmark over the devices of a Ray cluster: the same chunks as on one machine, each a task that is tried again where a node dies.

Optional (requirements-cluster.txt). RAY_ADDRESS names the cluster, else one is started on this machine. The job's row in the store stays the
record; the cluster holds nothing that is missed when it is gone. Every node has the project in the same folder.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from eval.chunks import Arrays, ChunkStore
from eval.inference import CHUNK_BATCHES, Compute, Outputs, infer
from leaderboard.config import ROOT
from poster.contract import ModelContract
from poster.errors import InputError

RETRIES = 3  # times a chunk is computed anew after its node died


def check_installed() -> None:
    """Raise InputError where Ray is missing."""
    if importlib.util.find_spec("ray") is None:
        raise InputError("The engine ray needs the package ray; install it with: pip install -r requirements-cluster.txt")


def infer_on_cluster(
    model: torch.nn.Module,
    pixels: NDArray[np.uint8],
    contract: ModelContract,
    compute: Compute,
    names: tuple[str, ...],
    store: ChunkStore | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Outputs:
    """Called like :func:`eval.inference.infer`, with the same answer: chunks and batches are cut at the same places.

    Raises what ``infer`` raises, and ray.exceptions.RayError when the cluster is lost for good.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # before the import: nothing is reported to anybody
    address = os.environ.get("RAY_ADDRESS")
    if not address:
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # Ray's own words for: one machine, listen on loopback only
    import ray

    local: dict[str, Any] = {} if address else {"include_dashboard": False}
    paths = {"env_vars": {"PYTHONPATH": str(ROOT), "OMP_WAIT_POLICY": "PASSIVE"}}
    ray.init(address=address, ignore_reinit_error=True, log_to_driver=False, runtime_env=paths, **local)
    try:
        return _gather(ray, model, pixels, contract, compute, names, store, progress)
    finally:
        ray.shutdown()


def _gather(ray: Any, model: torch.nn.Module, pixels: NDArray[np.uint8], contract: ModelContract, compute: Compute, names: Sequence[str],
            store: ChunkStore | None, progress: Callable[[int, int], None] | None) -> Outputs:  # fmt: skip
    devices = {"num_gpus": 1} if torch.device(compute.device).type == "cuda" else {"num_cpus": 1}
    task = ray.remote(max_retries=RETRIES, scheduling_strategy="SPREAD", **devices)(_chunk)
    shared = ray.put(model.cpu())
    size = compute.batch * CHUNK_BATCHES
    starts = range(0, len(pixels), size)
    chunks: dict[int, Arrays] = {}
    waiting = {}
    for index, start in enumerate(starts):
        part = slice(start, start + size)
        finished = store.read(index) if store else None
        if finished is not None and len(finished["logits"]) == len(pixels[part]):
            chunks[index] = finished
        else:
            waiting[task.remote(shared, np.ascontiguousarray(pixels[part]), contract, compute, tuple(names[part]))] = index
    done = sum(len(chunk["logits"]) for chunk in chunks.values())
    while waiting:
        (ready,), _ = ray.wait(list(waiting), num_returns=1)
        index = waiting.pop(ready)
        try:
            chunks[index] = ray.get(ready)
        except ray.exceptions.RayTaskError as error:
            cause = error.cause
            raise (cause if isinstance(cause, InputError) else error) from None
        if store:
            store.write(index, chunks[index])
        done += len(chunks[index]["logits"])
        if progress:
            progress(done, len(pixels))
    joined = {name: np.concatenate([chunks[index][name] for index in range(len(starts))]) for name in chunks[0]}
    return Outputs(joined["logits"], joined.get("embeddings"))


def _chunk(model: torch.nn.Module, pixels: NDArray[np.uint8], contract: ModelContract, compute: Compute, names: tuple[str, ...]) -> Arrays:
    """One chunk on whatever node runs this."""
    outputs = infer(model, pixels, contract, compute, names)
    return {"logits": outputs.logits} if outputs.embeddings is None else {"logits": outputs.logits, "embeddings": outputs.embeddings}
