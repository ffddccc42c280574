"""Embeddings of pictures by any model here, and what is scored from them: verification and the linear probe."""

from __future__ import annotations

import dataclasses
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import poster
from eval.benchmark import Benchmark
from eval.inference import Compute, ScoringError, embeddings
from eval.linear_probe import fit
from eval.load import load
from eval.pairs import read_pairs
from eval.predictions import Predictions
from eval.probability import softmax
from eval.result import Result, save
from eval.run import Progress, decode_images, named
from eval.scores import ScoreSheet, score
from eval.verification import Verification, fuse, verify
from poster.contract import ModelContract
from poster.data.cache import decode
from poster.digest import file_sha256


def verify_file(model: torch.nn.Module, contract: ModelContract, path: Path, compute: Compute, progress: Progress | None = None) -> Verification:
    """Score a model on a .bin pair set: each picture and its mirror image, fused."""
    pairs = read_pairs(path)
    parts = []
    for start in range(0, len(pairs.pictures), 512):  # decoded in blocks: 12,000 pictures need not be in memory at once
        stop = min(start + 512, len(pairs.pictures))
        pixels = np.stack([_colour(decode(pairs.read(index), contract.input_size, contract.interpolation)) for index in range(start, stop)])
        plain, mirrored = (embeddings(model, block, contract, compute) for block in (pixels, np.ascontiguousarray(pixels[:, :, ::-1])))
        parts.append(fuse(plain.astype(np.float64), mirrored.astype(np.float64)))
        if progress:
            progress("embedding", stop, len(pairs.pictures))
    return verify(np.concatenate(parts), pairs.same)


def _colour(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)


def probe_linearly(
    weights: Path, benchmark: Benchmark, data_dir: str | None, out: Path, compute: Compute, allow_doubled: bool = False, progress: Progress | None = None
) -> tuple[Result, ScoreSheet]:
    """Fit a linear classifier on the training part's embeddings, score it on the test part; stored under the protocol "...-linear-probe"."""
    started = time.perf_counter()
    sha256 = file_sha256(weights)
    model = poster.load_model(weights)
    test = load(benchmark, data_dir, allow_doubled=allow_doubled)
    training = load(benchmark, data_dir, split="train")
    train_images, train_pixels = decode_images(training, model.contract, progress)
    images, pixels = decode_images(test, model.contract, progress)
    if train_images.labels != images.labels:
        train_images = train_images.relabel(images.labels)
    known = embeddings(model, train_pixels, model.contract, compute, named("embedding", progress))
    if len(np.unique(train_images.targets)) < 2:
        raise ScoringError("the training part has images of one class only; at least two are needed for a linear probe")
    probe = fit(known, train_images.targets, len(images.labels))
    predictions = Predictions.of(images, softmax(probe.logits(embeddings(model, pixels, model.contract, compute, named("embedding", progress)))))
    sheet = score(predictions)
    protocol = f"{benchmark.protocol}-linear-probe"
    result = Result(
        benchmark=benchmark.name,
        version=benchmark.version,
        protocol=protocol,
        title=f"{benchmark.title}, linear probe on {len(train_images):,} training images",
        labels=predictions.labels,
        weights_sha256=sha256,
        model=model.contract.architecture,
        confusion=sheet.confusion,
        predictions_file=out.with_suffix(".parquet").name,
        fingerprint=test.fingerprint,
        software=compute.environment(),
        device=compute.device,
        dtype=compute.dtype,
        threads=torch.get_num_threads(),
        batch_size=compute.batch,
        seconds=time.perf_counter() - started,
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        contract=dataclasses.asdict(model.contract),
        warnings=test.warnings,
        analyses={"linear_probe": {"training_images": len(train_images), "training_fingerprint": training.fingerprint, "embedding": int(known.shape[1])}},
    )
    predictions.write(out.with_suffix(".parquet"), {"benchmark": benchmark.name, "protocol": protocol, "weights_sha256": sha256})
    save(result, sheet, out)
    return result, sheet
