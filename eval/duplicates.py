"""Test images that also stand in a training set: exactly, or nearly (perceptual hash, confirmed by correlation)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn

from eval.predictions import Predictions
from poster.data.cache import decoded
from poster.data.images import ImageSet
from poster.data.memo import inventory

THUMB = 32  # pixels
MAX_BITS = 6  # of the hash's 63 that may differ
MIN_CORRELATION = 0.98  # of the thumbnails


@dataclass(frozen=True)
class Copies:
    """Positions of test images with a copy among the training images. exact: same contents; near: same picture, other contents;
    partner: for each position in near the key of the training image."""

    exact: tuple[int, ...]
    near: tuple[int, ...]
    partner: tuple[str, ...]


def perceptual_hash(thumbs: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """(N, 32, 32) grey -> (N,) 63-bit pHash: signs of the 8 x 8 lowest DCT coefficients against their median, the mean left out."""
    low = dctn(thumbs.astype(np.float32), axes=(1, 2), norm="ortho")[:, :8, :8].reshape(len(thumbs), 64)[:, 1:]
    bits = low > np.median(low, axis=1, keepdims=True)
    return (bits.astype(np.uint64) << np.arange(63, dtype=np.uint64)).sum(axis=1, dtype=np.uint64)


def find_copies(test: ImageSet, training: ImageSet) -> Copies:
    """Compare all pairs. Pictures without any contrast match exactly or not at all."""
    known = {training.source.digest(index) for index in range(len(training))}
    exact = [index for index in range(len(test)) if test.source.digest(index) in known]
    ours, theirs = _thumbs(test), _thumbs(training)
    our_hash, their_hash = perceptual_hash(ours), perceptual_hash(theirs)
    standard, reference = _standardised(ours), _standardised(theirs)
    near, partner = [], []
    for index in sorted(set(range(len(test))) - set(exact)):
        candidates = np.flatnonzero(np.bitwise_count(their_hash ^ our_hash[index]) <= MAX_BITS)
        if len(candidates):
            match = reference[candidates] @ standard[index] / standard.shape[1]
            best = int(match.argmax())
            if match[best] >= MIN_CORRELATION:
                near.append(index)
                partner.append(training.keys[candidates[best]])
    return Copies(tuple(exact), tuple(near), tuple(partner))


def _thumbs(images: ImageSet) -> NDArray[np.uint8]:
    pixels = decoded(images.source, inventory(images).fingerprint, THUMB)
    return np.asarray(pixels if pixels.ndim == 3 else np.rint(pixels @ np.array([0.299, 0.587, 0.114])).astype(np.uint8))


def _standardised(thumbs: NDArray[np.uint8]) -> NDArray[np.float32]:
    flat = thumbs.reshape(len(thumbs), -1).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    spread = flat.std(axis=1, keepdims=True)
    return (flat / np.where(spread > 1, spread, np.inf)).astype(np.float32)


def leak_report(predictions: Predictions, exact: NDArray[np.int64], near: NDArray[np.int64] | None = None, partner: tuple[str, ...] = ()) -> dict[str, Any]:
    """Figures for the result: how many copies, which (the first 50), and the accuracy without them. ``near`` None: not looked for."""
    copies = np.zeros(len(predictions.keys), bool)
    copies[exact] = True
    if near is not None:
        copies[near] = True
    rest = predictions.correct[~copies]
    return {
        "exact": len(exact),
        "exact_keys": [predictions.keys[index] for index in exact[:50]],
        "near": None if near is None else len(near),
        "near_keys": [] if near is None else [[predictions.keys[index], key] for index, key in zip(near[:50], partner[:50], strict=True)],
        "accuracy_without": float(rest.mean()) if len(rest) else None,
        "num_images_without": len(rest),
    }
