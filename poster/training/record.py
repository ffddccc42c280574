"""What a run of the ablation leaves: its answers picture by picture, its curve and its recipe, in one .npz file of some 100 KB."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from poster.data.memo import write_atomically
from poster.errors import InputError

RENAMED = {"rare": "rare_cost"}  # values of a recipe that had another name in older records; 0 in every run of the ablation
ADDED: dict[str, Any] = {"tutor_share": 0.0, "tutor_plain": False, "bias_cost": 0.0}  # values that older records lack, as they were before they had a name
ADDED_AUGMENTATION: dict[str, Any] = {"light": 0.0}
ADDED_CONTRACT: dict[str, Any] = {"mirror": False}
FIELDS = ("rows", "labels", "log_probabilities")


def as_today(recipe: dict[str, Any]) -> dict[str, Any]:
    """A stored recipe under the names and with the values that recipes have now."""
    known = ADDED | {RENAMED.get(key, key): value for key, value in recipe.items()}
    return known | {"augmentation": ADDED_AUGMENTATION | known["augmentation"], "contract": ADDED_CONTRACT | known["contract"]}


@dataclass(frozen=True)
class Answers:
    """rows: uint16 (N,), lines of fer2013.csv counted from 0; labels: int8 (N,); log_probabilities: float16 (N, K), exact where they matter, near 0."""

    rows: np.ndarray
    labels: np.ndarray
    log_probabilities: np.ndarray

    @classmethod
    def of(cls, rows: np.ndarray, labels: np.ndarray, logits: np.ndarray) -> Answers:
        """From logits (N, K)."""
        shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
        logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        return cls(rows.astype(np.uint16), labels.astype(np.int8), logs.astype(np.float16))

    def __post_init__(self) -> None:
        n = len(self.rows)
        if not n or self.labels.shape != (n,) or self.log_probabilities.shape[:1] != (n,) or self.log_probabilities.ndim != 2:
            raise InputError(f"{n} pictures need as many labels and a row of log-probabilities each, not {self.labels.shape}, {self.log_probabilities.shape}")
        if not np.isfinite(self.log_probabilities).all() or not 0 <= self.labels.min() <= self.labels.max() < self.log_probabilities.shape[1]:
            raise InputError("a log-probability is not finite, or a label names no class")


@dataclass(frozen=True)
class Record:
    """arm: its name. recipe: every value of the run. streams: whose streams were held, "" where they were trained. sample: pictures of the curve.

    model: options of the architecture. curve: by name, a value after each epoch. test, validation: the finished model's answers.
    fusion: the POSTER whose pyramid fused the streams, "" for POSTER++'s own fusion.
    """

    arm: str
    seed: int
    recipe: dict[str, Any]
    streams: str
    sample: int
    model: dict[str, Any]
    curve: dict[str, list[float]]
    test: Answers
    validation: Answers
    fusion: str = ""

    def write(self, path: Path) -> None:
        about = {
            "arm": self.arm,
            "seed": self.seed,
            "recipe": self.recipe,
            "streams": self.streams,
            "sample": self.sample,
            "model": self.model,
            "curve": self.curve,
            "fusion": self.fusion,
        }
        parts = {f"{part}_{field}": getattr(getattr(self, part), field) for part in ("test", "validation") for field in FIELDS}
        buffer = io.BytesIO()
        np.savez_compressed(buffer, about=np.array(json.dumps(about)), **parts)
        write_atomically(path, buffer.getvalue())

    @classmethod
    def read(cls, path: Path) -> Record:
        """Raises InputError where the file is not what :meth:`write` makes."""
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
                about = json.loads(str(file["about"]))
                test, validation = (Answers(*(file[f"{part}_{field}"] for field in FIELDS)) for part in ("test", "validation"))
            about["recipe"] = as_today(about["recipe"])
            return cls(**about, test=test, validation=validation)
        except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
            raise InputError(f"{path} is no run of `python -m poster ablate`; make it again") from error
