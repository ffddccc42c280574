"""What the loop learns from: FERPlus training pictures with the votes as targets, and the split that chooses the epoch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from poster.data.ferplus import emotion_votes, identical_to, majority, read_ferplus


@dataclass(frozen=True)
class TrainingData:
    """images: grey uint8 (N, 48, 48); votes: float32 (N, 8), each row sums to 1; labels: int64 (N,), the majority or -1.

    train, validation: row numbers. No picture of ``train`` stands, pixel for pixel, in the validation or the test split.
    """

    images: np.ndarray
    votes: np.ndarray
    labels: np.ndarray
    train: np.ndarray
    validation: np.ndarray

    def draw(self, rng: np.random.Generator, class_balance: float) -> np.ndarray:
        """One epoch's rows. With ``class_balance`` rows are drawn with replacement, weighted by (class count) ** -class_balance."""
        if not class_balance:
            return rng.permutation(self.train)
        top = self.votes[self.train].argmax(axis=1)
        weight = np.bincount(top, minlength=self.votes.shape[1])[top].astype(float) ** -class_balance
        return rng.choice(self.train, size=len(self.train), p=weight / weight.sum())


def load_ferplus(data_dir: Path) -> TrainingData:
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
    return TrainingData(data.images, votes, labels, train, public[labels[public] >= 0])
