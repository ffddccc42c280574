"""What the loop learns from: training pictures with targets, and the split that chooses the epoch, which is never the test split."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from poster.data import readers
from poster.data.cache import decoded
from poster.data.ferplus import emotion_votes, identical_to, majority, read_ferplus
from poster.data.images import ArraySource
from poster.data.memo import inventory
from poster.training.recipe import Recipe

HELD_OUT = 0.1


@dataclass(frozen=True)
class TrainingData:
    """images: uint8, grey (N, S, S) or RGB (N, S, S, 3); votes: float32 (N, K), each row sums to 1; labels: int64 (N,), -1 where there is none.

    train, validation: row numbers. split: what the validation split is, in words. No picture of ``train`` of FERPlus stands, pixel for
    pixel, in the validation or the test split.
    """

    images: np.ndarray
    votes: np.ndarray
    labels: np.ndarray
    train: np.ndarray
    validation: np.ndarray
    split: str = "PublicTest"

    def draw(self, rng: np.random.Generator, class_balance: float) -> np.ndarray:
        """One epoch's rows. With ``class_balance`` rows are drawn with replacement, weighted by (class count) ** -class_balance."""
        if not class_balance:
            return rng.permutation(self.train)
        top = self.votes[self.train].argmax(axis=1)
        weight = np.bincount(top, minlength=self.votes.shape[1])[top].astype(float) ** -class_balance
        return rng.choice(self.train, size=len(self.train), p=weight / weight.sum())


def load(recipe: Recipe, data_dir: Path) -> TrainingData:
    """The recipe's data set at its input size. Raises DataError when the folder does not hold it."""
    return load_ferplus(data_dir, recipe.contract.input_size) if recipe.dataset == "ferplus" else load_folder(recipe, data_dir)


def load_ferplus(data_dir: Path, size: int = 48) -> TrainingData:
    """Training rows with more expression votes than "unknown" and "not a face" together, without copies of test pictures.

    Single votes are dropped where others remain. The validation split is PublicTest under the majority rule.
    """
    data = read_ferplus(data_dir)
    clean = emotion_votes(data.votes, drop_single=True)
    counts = np.where(clean.sum(axis=1, keepdims=True) > 0, clean, emotion_votes(data.votes))
    usable = 2 * emotion_votes(data.votes).sum(axis=1) > data.votes.sum(axis=1, dtype=np.int64)
    votes = (counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)).astype(np.float32)
    labels = majority(data.votes)
    held_out = data.images[data.usage != "Training"]
    train = data.rows("Training")
    train = train[usable[train] & ~identical_to(data.images[train], held_out)]
    public = data.rows("PublicTest")
    images = data.images if size == data.images.shape[1] else decoded(ArraySource(data.images), "ferplus-all-rows", size)
    return TrainingData(images, votes, labels, train, public[labels[public] >= 0])


def load_folder(recipe: Recipe, data_dir: Path) -> TrainingData:
    """The training part of any layout we read; a tenth of every class, drawn by the recipe's seed, is held out to choose the epoch."""
    found = readers.read(data_dir, tuple(readers.LAYOUTS), "train", recipe.contract.labels, (recipe.dataset,)).relabel(recipe.contract.labels)
    images = decoded(found.source, inventory(found).fingerprint, recipe.contract.input_size, recipe.contract.interpolation, recipe.region)
    rng = np.random.default_rng(recipe.seed)
    held = [rng.permutation(np.flatnonzero(found.targets == c)) for c in range(len(found.labels))]
    validation = np.sort(np.concatenate([rows[: round(HELD_OUT * len(rows))] for rows in held]))
    train = np.setdiff1d(np.arange(len(found)), validation)
    votes = np.eye(len(found.labels), dtype=np.float32)[found.targets] if found.votes is None else found.votes.astype(np.float32)
    split = f"{HELD_OUT:.0%} of the training part, drawn class by class with seed {recipe.seed}"
    return TrainingData(images, votes, found.targets, train, validation, split)
