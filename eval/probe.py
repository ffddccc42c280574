"""A few images in every plausible channel order and normalisation: does another contract fit the weights better than the declared one?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from eval.diagnose import Trial, accuracy_of, relabelled_correct
from eval.inference import Compute, batches
from eval.mapping import LabelMap
from eval.metrics import confusion_matrix
from eval.significance import mcnemar
from poster.contract import IMAGENET_MEAN, IMAGENET_STD, ModelContract

FIRST, SECOND = 64, 300  # probe images: to look, and to make sure
AHEAD = 2  # images more than the declared contract that call for a second look
Triple = tuple[float, float, float]
NORMALISATIONS: dict[str, tuple[Triple, Triple]] = {
    "ImageNet": (IMAGENET_MEAN, IMAGENET_STD),
    "reversed ImageNet": (IMAGENET_MEAN[::-1], IMAGENET_STD[::-1]),
    "mean 0.5, std 0.5": ((0.5,) * 3, (0.5,) * 3),
    "0 to 1": ((0.0,) * 3, (1.0,) * 3),
    "0 to 255": ((0.0,) * 3, (1 / 255,) * 3),
}


def normalisation_name(contract: ModelContract) -> str:
    """The name of the contract's mean and std, "declared" when they are its own."""
    return next((name for name, (mean, std) in NORMALISATIONS.items() if np.allclose((mean, std), (contract.mean, contract.std))), "declared")


def alternatives(contract: ModelContract, grey_images: bool) -> Iterator[ModelContract]:
    """Every other plausible contract: RGB and BGR in every normalisation, a grey network against colours in the declared one only.

    Channel orders are left out where they cannot matter, on grey images.
    """
    seen = [contract]
    own = [(contract.mean, contract.std)]
    every = [*own, *NORMALISATIONS.values()]
    colours = contract.channels != "grey"
    orders = (
        {contract.channels: every} if grey_images else {"rgb": every if colours else own, "bgr": every if colours else own, "grey": own if colours else every}
    )
    for channels, normalisations in orders.items():
        for mean, std in normalisations:
            other = contract.replace(channels=channels, mean=mean, std=std)
            if other not in seen:
                seen.append(other)
                yield other


def stratified(targets: NDArray[np.int64], count: int, seed: int = 0) -> NDArray[np.int64]:
    """At most ``count`` positions, each class in its share but at least once, in rising order."""
    if count >= len(targets):
        return np.arange(len(targets))
    rng = np.random.default_rng(seed)
    picked = []
    for label in np.unique(targets):
        members = rng.permutation(np.flatnonzero(targets == label))
        picked.append(members[: max(1, round(count * len(members) / len(targets)))])
    return np.sort(np.concatenate(picked))


def probe_contracts(
    model: torch.nn.Module,
    contract: ModelContract,
    labels: LabelMap,
    pixels: NDArray[np.uint8],
    targets: NDArray[np.int64],
    logits: NDArray[np.float32],
    compute: Compute,
) -> tuple[Trial, ...]:
    """The declared contract (from ``logits``, already there) and its alternatives, each on 64 images; those ahead there on up to 300.

    Accuracies are compared after the best relabelling of each, so that permuted labels do not hide a wrong channel order.
    """

    def predict(other: ModelContract, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
        found = [part["logits"] for part in batches(model, pixels[chosen], other, compute)]
        return labels.probabilities(np.nan_to_num(np.concatenate(found))).argmax(axis=1)

    declared = labels.probabilities(logits).argmax(axis=1)
    first, second = stratified(targets, FIRST), stratified(targets, SECOND)
    trials = [_trial(contract, declared[second], declared[second], targets[second], labels)]
    for other in alternatives(contract, pixels.ndim == 3):
        trial = _trial(other, predict(other, first), declared[first], targets[first], labels)
        if trial.gain * trial.images >= AHEAD:
            trial = _trial(other, predict(other, second), declared[second], targets[second], labels)
        trials.append(trial)
    return tuple(trials)


def _trial(contract: ModelContract, predicted: NDArray[np.int64], declared: NDArray[np.int64], targets: NDArray[np.int64], labels: LabelMap) -> Trial:
    size = len(labels.labels)
    confusion, base = confusion_matrix(targets, predicted, size), confusion_matrix(targets, declared, size)
    accuracy, relabelled = accuracy_of(confusion)
    gain = relabelled - accuracy_of(base)[1]
    test = mcnemar(relabelled_correct(confusion, targets, predicted), relabelled_correct(base, targets, declared))
    return Trial(contract.channels, normalisation_name(contract), len(targets), accuracy, relabelled, gain, test.p_value)
