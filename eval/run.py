"""A checkpoint on a benchmark -> a Result with its predictions: the one path that every score takes."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import poster
from eval import load
from eval.benchmark import Benchmark
from eval.chunks import ChunkStore
from eval.diagnose import diagnose
from eval.duplicates import leak_report
from eval.inference import Compute, Outputs, ScoringError, infer, stride
from eval.mapping import LabelMap
from eval.predictions import Predictions
from eval.probe import probe_contracts
from eval.problems import class_geometry, plane
from eval.result import Result, check_output, save
from eval.scores import ScoreSheet, score
from poster.contract import ModelContract
from poster.data.cache import UnreadableError, decoded
from poster.data.images import ImageSet
from poster.data.memo import inventory
from poster.digest import file_sha256

Progress = Callable[[str, int, int], None]  # what is going on, images done, images in all
Inference = Callable[..., Outputs]  # called like eval.inference.infer


@dataclass(frozen=True)
class Run:
    """A finished run with everything an analysis or a report may need beside the stored result."""

    result: Result
    sheet: ScoreSheet
    predictions: Predictions
    outputs: Outputs
    images: ImageSet
    pixels: NDArray[np.uint8]
    model: torch.nn.Module
    contract: ModelContract
    labels: LabelMap
    compute: Compute


def evaluate(
    weights: Path,
    benchmark: Benchmark,
    data_dir: str | None,
    out: Path,
    compute: Compute | None = None,
    *,
    allow_doubled: bool = False,
    revision: str | None = None,
    probe: bool = True,
    submission: str | None = None,
    progress: Progress | None = None,
    inference: Inference = infer,
) -> Run:
    """Score a checkpoint file. ``out`` is the JSON file; the predictions are written beside it, finished chunks too until the run is done.

    inference: what runs the model over the images, :func:`eval.inference.infer` or its like on a cluster. Raises InputError for weights, data
    or a benchmark that cannot be scored.
    """
    started = time.perf_counter()
    sha256 = file_sha256(weights)
    data = load.load(benchmark, data_dir, allow_doubled=allow_doubled, revision=revision)
    model = poster.load_model(weights)
    options: dict[str, Any] = {"probe": probe, "submission": submission, "progress": progress, "inference": inference, "started": started}
    return evaluate_model(model, model.contract, sha256, data, out, compute or Compute(), **options)


def evaluate_model(
    model: torch.nn.Module,
    contract: ModelContract,
    sha256: str,
    data: load.Loaded,
    out: Path,
    compute: Compute,
    *,
    probe: bool = True,
    submission: str | None = None,
    progress: Progress | None = None,
    inference: Inference = infer,
    started: float | None = None,
) -> Run:
    """Score an opened model (in eval mode) on a loaded benchmark; the rest as in :func:`evaluate`."""
    started = time.perf_counter() if started is None else started
    benchmark = data.benchmark
    if not len(data.images):
        raise ScoringError("the set has no images; at least one is needed for a score")
    labels = LabelMap.of(contract.labels, data.images.labels)
    images, pixels = decode_images(data, contract, progress)
    compute = compute.settled(len(images))
    fingerprint = data.fingerprint if images is data.images else inventory(images).fingerprint
    check_output(out, ".json")
    store = ChunkStore(out.with_suffix(".partial"), identity(sha256, fingerprint, images, contract, compute, benchmark.region))
    outputs = inference(model, pixels, contract, compute, images.keys, store, named("scoring", progress))
    predictions = Predictions.of(images, labels.probabilities(outputs.logits))
    sheet = score(predictions)
    trials = probe_contracts(model, contract, labels, pixels, images.targets, outputs.logits, compute) if probe else None
    diagnosis = diagnose(predictions, contract, labels, trials).to_json()
    diagnosis["held_back"] &= not benchmark.self_test  # drawn faces are far from what a model learned; they decide nothing
    if images.in_training is not None:
        diagnosis["copies"] = leak_report(predictions, np.flatnonzero(images.in_training))
    result = Result(
        benchmark=benchmark.name,
        version=benchmark.version,
        protocol=benchmark.protocol,
        title=benchmark.title,
        labels=predictions.labels,
        weights_sha256=sha256,
        model=contract.architecture,
        confusion=sheet.confusion,
        predictions_file=out.with_suffix(".parquet").name,
        fingerprint=fingerprint,
        software=compute.environment(),
        device=compute.device,
        dtype=compute.dtype,
        threads=torch.get_num_threads(),
        batch_size=compute.batch,
        seconds=time.perf_counter() - started,
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        submission=submission,
        contract=dataclasses.asdict(contract),
        warnings=(*data.warnings, *images.notes[len(data.images.notes) :], *labels.warnings()),
        diagnosis=diagnosis,
        analyses={} if outputs.embeddings is None else geometry(outputs.embeddings, images.targets, images.labels),
    )
    predictions.write(out.with_suffix(".parquet"), {"benchmark": benchmark.name, "protocol": benchmark.protocol, "weights_sha256": sha256})
    save(result, sheet, out)
    store.clear()
    return Run(result, sheet, predictions, outputs, images, pixels, model, contract, labels, compute)


def geometry(embeddings: NDArray[np.float32], targets: NDArray[np.int64], labels: tuple[str, ...]) -> dict[str, Any]:
    """The embedding's geometry and its picture, from the images whose embedding was kept; it costs no forward pass."""
    kept = targets if len(embeddings) == len(targets) else targets[:: stride(len(targets))]
    return {"geometry": class_geometry(embeddings, kept, labels), "plane": plane(embeddings)}


def identity(sha256: str, fingerprint: str, images: ImageSet, contract: ModelContract, compute: Compute, region: str) -> dict[str, Any]:
    """What finished chunks must agree in to be used again."""
    return {
        "weights": sha256,
        "fingerprint": fingerprint,
        "keys": hashlib.sha256("\n".join(images.keys).encode()).hexdigest(),
        "contract": dataclasses.asdict(contract),
        "compute": {**dataclasses.asdict(compute), "batch_size": compute.batch},
        "region": region,
        "torch": torch.__version__,
    }


def decode_images(data: load.Loaded, contract: ModelContract, progress: Progress | None) -> tuple[ImageSet, NDArray[np.uint8]]:
    """Every image at the model's input size, from the cache; leaves out damaged images only where the original set is known to have them."""
    images, fingerprint = data.images, data.fingerprint
    size, kind, region = contract.input_size, contract.interpolation, data.benchmark.region
    try:
        return images, decoded(images.source, fingerprint, size, kind, region, progress=named("decoding", progress))
    except UnreadableError as error:
        kept = load.without(images, error.indices, data.benchmark)
        if kept is None:
            raise
        return kept, decoded(kept.source, inventory(kept).fingerprint, size, kind, region, progress=named("decoding", progress))


def named(what: str, progress: Progress | None) -> Callable[[int, int], None] | None:
    """The progress of one stage: (done, total), its name put in."""
    return None if progress is None else lambda done, total: progress(what, done, total)


def with_analyses(run: Run, analyses: dict[str, Any], out: Path) -> Run:
    """The run with more analyses in its stored result."""
    result = dataclasses.replace(run.result, analyses={**run.result.analyses, **analyses})
    save(result, run.sheet, out)
    return dataclasses.replace(run, result=result)
