"""Every heatmap source of a model measured on the same images: deletion, insertion, landmark mass, flips, randomised weights, time."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

import poster
from eval.heatmaps import BASELINES, BLOBS, BLUR, CENTRE, FILLS, KINDS, Floats, Pixels, area, baseline, curves, mass, rank_correlation
from eval.inference import Compute, batches
from eval.significance import bootstrap_mean
from poster.attention import DEFAULT, heatmap, sources
from poster.contract import ModelContract
from poster.preprocess import normalise

Progress = Callable[[str, int, int], None]
BATCH = 16  # pictures whose gradients are held at once
TIMED = 7  # pictures for the time of one heatmap
RESAMPLES = 2000


def probabilities(model: nn.Module, contract: ModelContract, compute: Compute) -> Callable[[Pixels], Floats]:
    """The model as deletion and insertion see it: uint8 images -> probabilities (N, K) after the contract's temperature."""

    def predict(images: Pixels) -> Floats:
        logits = np.concatenate([part["logits"] for part in batches(model, images, contract, compute)]).astype(np.float64)
        shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
        return shifted / shifted.sum(axis=1, keepdims=True)

    return predict


def maps_of(model: nn.Module, images: Pixels, targets: NDArray[np.int64], source: str) -> NDArray[np.float32]:
    """(N, S, S) in 0..1 for the classes ``targets`` (N,)."""
    found = []
    for start in range(0, len(images), BATCH):
        part = slice(start, start + BATCH)
        fed = normalise(torch.from_numpy(np.ascontiguousarray(images[part])), model.contract)
        found.append(heatmap(model, fed, torch.from_numpy(targets[part]), source).numpy())
    return np.concatenate(found)


def randomised(model: nn.Module, seed: int) -> Iterator[tuple[str, nn.Module]]:
    """The model with fresh weights from the head down, one part more at a time: (what was replaced last, the model), Adebayo et al. 2018.

    Parts are the network's top-level modules from its output to its input, those of one kind together, then its own parameters; the last model
    has nothing learned.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = poster.create_model(model.contract.architecture, len(model.contract.labels), head=model.contract.head).eval()
    changed = copy.deepcopy(model)
    parts: dict[str, list[str]] = {}
    for name, _ in reversed(list(model.named_children())):
        parts.setdefault(name.rstrip("0123456789"), []).append(name)
    parts["rest"] = [name for name, _ in model.named_parameters(recurse=False)]  # the class token and the position embedding
    for kind, names in parts.items():
        for name in names:
            setattr(changed, name, getattr(fresh, name))
        if names:
            yield kind, changed


def estimate(values: Floats, strata: NDArray[np.int64]) -> dict[str, Any]:
    """The mean over images and its 95 % bootstrap interval, images drawn within each true class."""
    return {"value": float(values.mean()), "interval": list(bootstrap_mean(values, strata, RESAMPLES))}


def measure(
    model: nn.Module,
    images: Pixels,
    strata: NDArray[np.int64],
    compute: Compute,
    steps: int,
    seed: int,
    parts: NDArray[np.bool_] | None = None,
    checked: int = 24,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """All sources of a model (with ``.contract``) and the baselines on N images (N, S, S[, 3]).

    strata: (N,) true classes, for the bootstrap. parts: (N, S, S) whether a pixel belongs to brows, eyes, nose or mouth; None where unknown.
    checked: images of the randomisation check. Every difference is between maps of the same images. The winner has the largest
    faithfulness: insertion minus deletion, mean over the fills.
    """
    known = sources(model)
    names = (*known, *BASELINES)
    compute = compute.settled(len(images) * len(names) * len(FILLS) * 2 * steps)
    predict = probabilities(model, model.contract, compute)
    targets = predict(images).argmax(axis=1)
    mirrored = np.ascontiguousarray(images[:, :, ::-1])
    rows: dict[str, dict[str, Any]] = {}
    faithful: dict[str, Floats] = {}
    for number, name in enumerate(names):
        if progress:
            progress("measuring maps", number * len(images), len(names) * len(images))
        maps = maps_of(model, images, targets, name) if name in known else baseline(name, len(images), images.shape[1], seed)
        found = {fill: curves(predict, images, maps, fill, steps, seed) for fill in FILLS}
        faithful[name] = np.mean([found[fill].insertion_auc - found[fill].deletion_auc for fill in FILLS], axis=0)
        rows[name] = {
            **{f"{kind}_auc_{fill}": estimate(area(getattr(found[fill], kind)), strata) for kind in KINDS for fill in FILLS},
            **{f"{kind}_curve_{fill}": getattr(found[fill], kind).mean(axis=0).round(5).tolist() for kind in KINDS for fill in FILLS},
            "faithfulness": estimate(faithful[name], strata),
        }
        if parts is not None:
            rows[name]["landmark_mass"] = estimate(mass(maps, parts), strata)
        if name in known:
            rows[name]["flip_consistency"] = estimate(rank_correlation(maps, maps_of(model, mirrored, targets, name)[:, :, ::-1]), strata)
    for name, seconds in seconds_each(model, images, targets, known).items():
        rows[name]["seconds"] = seconds
    winner = max(known, key=lambda name: float(faithful[name].mean()))
    others = [name for name in names if name != winner]
    main = rows[DEFAULT]
    return {
        "source": DEFAULT,
        "deletion_auc": main["deletion_auc_blur"]["value"],
        "insertion_auc": main["insertion_auc_blur"]["value"],
        "intervals": {kind: main[f"{kind}_blur"]["interval"] for kind in ("deletion_auc", "insertion_auc")},
        "num_images": len(images),
        "steps": steps,
        "seed": seed,
        "fills": {"blur": f"Gaussian of {BLUR:g} of the side", "mean": "mean colour of the image"},
        "baselines": {"random": "independent pixels", "blobs": f"smoothed with {BLOBS:.3f} of the side", "centre": f"Gaussian of {CENTRE:g} of the side"},
        "winner": winner,
        "winner_ahead_by": {name: estimate(faithful[winner] - faithful[name], strata) for name in others},
        "ahead_of_baselines": {name: {other: estimate(faithful[name] - faithful[other], strata) for other in BASELINES} for name in known},
        "maps": rows,
        "landmark_area": None if parts is None else float(parts.mean()),
        "randomisation": randomisation(model, images[:checked], targets[:checked], known, seed, progress),
        "software": compute.environment(),
    }


def seconds_each(model: nn.Module, images: Pixels, targets: NDArray[np.int64], known: tuple[str, ...]) -> dict[str, float]:
    """Median seconds of one picture's heatmap by itself, on the CPU; the sources take turns, so that a busy machine slows all alike."""
    taken: dict[str, list[float]] = {source: [] for source in known}
    for index in range(min(TIMED, len(images))):
        for source, times in taken.items():
            start = time.perf_counter()
            maps_of(model, images[index : index + 1], targets[index : index + 1], source)
            times.append(time.perf_counter() - start)
    return {source: float(np.median(times)) for source, times in taken.items()}


def randomisation(
    model: nn.Module, images: Pixels, targets: NDArray[np.int64], known: tuple[str, ...], seed: int, progress: Progress | None = None
) -> dict[str, Any]:
    """Mean Spearman correlation of each source's maps with those of ever less learned models. "parts": what was replaced, in order."""
    learned = {source: maps_of(model, images, targets, source) for source in known}
    result: dict[str, Any] = {"num_images": len(images), "parts": [], "correlation": {source: [] for source in known}}
    for part, changed in randomised(model, seed):
        if progress:
            progress(f"randomised down to {part}", 0, len(images))
        result["parts"].append(part)
        for source in known:
            values = rank_correlation(learned[source], maps_of(changed, images, targets, source))
            result["correlation"][source].append(round(float(values.mean()), 4))
    return result
