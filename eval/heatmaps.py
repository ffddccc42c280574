"""What a heatmap is worth: deletion and insertion curves, mass inside the face's parts, agreement of two maps. Pure functions.

Deletion and insertion (Petsiuk et al. 2018, RISE): the pixels of an image are ranked by its map, most relevant first. Deletion replaces
them by a reference picture without content, share by share; insertion starts from the reference and puts the image's pixels back in the same
order. At every share the model gives the probability of the class it predicted on the unaltered image. The area under that curve over the
shares 0..1 (trapezoid, all shares equally far apart) is low for deletion and high for insertion when the map knows what the model reads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.stats import rankdata

Pixels = NDArray[np.uint8]  # (N, S, S) grey or (N, S, S, 3)
Floats = NDArray[np.float64]
Predict = Callable[[Pixels], Floats]  # images -> probabilities (N, K)

KINDS = ("deletion", "insertion")
FILLS = ("blur", "mean")
STEPS = 10
BLUR = 1 / 8  # standard deviation of the blurred reference, as a share of the side: the face's outline stays, its expression does not
CENTRE = 1 / 4  # standard deviation of the centre-Gaussian baseline, as a share of the side
BLOBS = 1 / 12  # standard deviation of the filter that smooths the second random baseline
BASELINES = ("random", "blobs", "centre")


def reference(images: Pixels, fill: str) -> Pixels:
    """What replaces removed pixels, of the images' shape. "blur": Gaussian, BLUR of the side, the edge repeated; "mean": each image's own mean colour."""
    if fill == "mean":
        mean = images.reshape(len(images), -1, *images.shape[3:]).mean(axis=1).round().astype(np.uint8)
        return np.broadcast_to(mean[:, None, None], images.shape).copy()
    if fill != "blur":
        raise ValueError(f"there is no fill {fill!r}; known are {', '.join(FILLS)}")
    sigma = BLUR * images.shape[1]
    blurred = gaussian_filter(images.astype(np.float32), (0, sigma, sigma, *(0 for _ in images.shape[3:])), mode="nearest")
    return blurred.round().astype(np.uint8)


def baseline(name: str, count: int, side: int, seed: int) -> Floats:
    """(N, S, S) maps that know nothing of the model. "random": independent pixels; "blobs": the same, smoothed to patches as coarse as real maps;
    "centre": a Gaussian on the middle of the picture, where a cropped face is."""
    if name == "centre":
        across = np.exp(-0.5 * ((np.arange(side) + 0.5 - side / 2) / (CENTRE * side)) ** 2)
        return np.broadcast_to(np.outer(across, across), (count, side, side)).copy()
    if name not in BASELINES:
        raise ValueError(f"there is no baseline {name!r}; known are {', '.join(BASELINES)}")
    noise = np.random.default_rng(seed).random((count, side, side))
    return noise if name == "random" else gaussian_filter(noise, (0, BLOBS * side, BLOBS * side))


def ranks(maps: NDArray[np.floating], seed: int = 0) -> NDArray[np.int64]:
    """(N, S, S) maps -> the place of every pixel in its map's order, 0 for the most relevant; equal values come in random order."""
    flat = np.asarray(maps, dtype=np.float64).reshape(len(maps), -1)
    if not np.isfinite(flat).all():
        raise ValueError("a map holds values that are no numbers")
    coin = np.random.default_rng(seed).random(flat.shape)
    order = np.stack([np.lexsort((toss, -values)) for values, toss in zip(flat, coin, strict=True)])
    places = np.empty_like(order)
    np.put_along_axis(places, order, np.broadcast_to(np.arange(flat.shape[1]), order.shape), axis=1)
    return places.reshape(maps.shape)


def mixed(images: Pixels, other: Pixels, places: NDArray[np.int64], share: float) -> Pixels:
    """The images with the ``share`` of their pixels that ranks first taken from ``other``."""
    first = places < round(share * places[0].size)
    return np.where(first if images.ndim == 3 else first[..., None], other, images)


@dataclass(frozen=True)
class Curves:
    """Probability of the predicted class at shares 0, 1/T, ..., 1: deletion and insertion, (N, T + 1) each."""

    deletion: Floats
    insertion: Floats

    @property
    def deletion_auc(self) -> Floats:
        """(N,): lower is better."""
        return area(self.deletion)

    @property
    def insertion_auc(self) -> Floats:
        """(N,): higher is better."""
        return area(self.insertion)


def area(curve: Floats) -> Floats:
    """(N, T + 1) values at equally spaced shares of 0..1 -> the areas under them (N,), by the trapezoid rule."""
    return (curve[:, 1:] + curve[:, :-1]).mean(axis=1) / 2


def curves(predict: Predict, images: Pixels, maps: NDArray[np.floating], fill: str = "blur", steps: int = STEPS, seed: int = 0) -> Curves:
    """Deletion and insertion of N images by their maps (N, S, S); the class is the one ``predict`` finds most probable on each whole image."""
    other, places = reference(images, fill), ranks(maps, seed)
    whole = predict(images)
    rows, chosen = np.arange(len(images)), whole.argmax(axis=1)
    kept, gone = whole[rows, chosen], predict(other)[rows, chosen]
    shares = np.arange(1, steps) / steps
    between = [[predict(mixed(a, b, places, share))[rows, chosen] for share in shares] for a, b in ((images, other), (other, images))]
    deletion, insertion = ([start, *curve, end] for start, curve, end in zip((kept, gone), between, (gone, kept), strict=True))
    return Curves(np.stack(deletion, axis=1), np.stack(insertion, axis=1))


def mass(maps: NDArray[np.floating], inside: NDArray[np.bool_]) -> Floats:
    """(N,) share of each map (not negative) that lies inside; the share of the area for a map of zeros."""
    total = maps.sum(axis=(1, 2), dtype=np.float64)
    weights = np.where(total[:, None, None] > 0, maps, 1.0)
    return (weights * inside).sum(axis=(1, 2)) / weights.sum(axis=(1, 2))


def rank_correlation(a: NDArray[np.floating], b: NDArray[np.floating]) -> Floats:
    """(N,) Spearman's correlation of two maps an image, (N, S, S) each; 0 where one of them is constant."""
    first, second = (rankdata(np.asarray(maps).reshape(len(maps), -1), axis=1) for maps in (a, b))
    first, second = (values - values.mean(axis=1, keepdims=True) for values in (first, second))
    scale = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    return np.divide((first * second).sum(axis=1), scale, out=np.zeros(len(a)), where=scale > 0)
