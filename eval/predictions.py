"""Per-image predictions: the record every score is computed from, kept as Parquet beside the result."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from poster.data.images import ImageSet
from poster.data.memo import write_atomically
from poster.errors import InputError
from poster.labels import EXPRESSIONS

VOTES = "votes:"  # prefix of the columns that hold the annotators' shares
_METADATA = b"eval.predictions"


class ResultError(InputError):
    """A result or predictions file that is missing, damaged or not what it should be."""


@dataclass(frozen=True)
class Predictions:
    """N images, K labels. probabilities: (N, K) float64 rows summing to 1; votes: (N, K) or None; agreement: (N,) or None (see ImageSet)."""

    labels: tuple[str, ...]
    keys: tuple[str, ...]
    targets: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    votes: NDArray[np.float64] | None = None
    agreement: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        count, width = len(self.keys), len(self.labels)
        if self.targets.shape != (count,) or self.probabilities.shape != (count, width):
            raise ResultError(f"{count} images need {count} targets and probabilities of shape ({count}, {width}), not {self.probabilities.shape}")
        if count == 0:
            raise ResultError("there are no predictions: a result needs at least one image")
        if not 0 <= self.targets.min() <= self.targets.max() < width:
            raise ResultError(f"a target lies outside 0..{width - 1}")
        if not np.isfinite(self.probabilities).all() or np.abs(self.probabilities.sum(axis=1) - 1).max() > 1e-6 or self.probabilities.min() < 0:
            raise ResultError("the probabilities of an image are not finite numbers of at least 0 that sum to 1")

    @classmethod
    def of(cls, images: ImageSet, probabilities: NDArray[np.float64]) -> Predictions:
        """Predictions for all images of a set, columns in the set's label order."""
        return cls(images.labels, images.keys, images.targets, probabilities, images.votes, images.agreement)

    @property
    def predicted(self) -> NDArray[np.int64]:
        """(N,) index of the most probable label, the first of equals."""
        return self.probabilities.argmax(axis=1)

    @property
    def correct(self) -> NDArray[np.bool_]:
        """(N,) whether the most probable label is the target."""
        return self.predicted == self.targets

    def write(self, path: Path, metadata: dict[str, Any]) -> None:
        """Parquet: index (row in the benchmark), key, target, one column a label, then votes and agreement where there are any."""
        columns: dict[str, Any] = {"index": np.arange(len(self.keys)), "key": list(self.keys), "target": self.targets}
        columns.update({label: self.probabilities[:, i] for i, label in enumerate(self.labels)})
        if self.votes is not None:
            columns.update({VOTES + label: self.votes[:, i] for i, label in enumerate(self.labels)})
        if self.agreement is not None:
            columns["agreement"] = self.agreement
        table = pa.table(columns).replace_schema_metadata({_METADATA: json.dumps({"labels": self.labels, **metadata})})
        buffer = io.BytesIO()
        pq.write_table(table, buffer, compression="zstd")
        write_atomically(path, buffer.getvalue())

    @classmethod
    def read(cls, path: Path) -> Predictions:
        """Read what :meth:`write` wrote, in any version of it. Raises ResultError."""
        try:
            table = pq.read_table(path)
        except FileNotFoundError as error:
            raise ResultError(f"the predictions file {path} is missing; it belongs beside its result") from error
        except (OSError, pa.ArrowException) as error:
            raise ResultError(f"{path} is not a Parquet file of predictions") from error
        labels = tuple(name for name in table.column_names if name in EXPRESSIONS)
        if not {"key", "target"} <= set(table.column_names) or not labels:
            raise ResultError(f"{path} lacks the columns key, target and one probability column a label")

        def block(prefix: str) -> NDArray[np.float64] | None:
            names = [prefix + label for label in labels]
            return np.column_stack([table[name].to_numpy() for name in names]).astype(np.float64) if set(names) <= set(table.column_names) else None

        probabilities = block("")
        if probabilities is None:
            raise ResultError(f"{path} has no probability column")
        agreement = table["agreement"].to_numpy() if "agreement" in table.column_names else None
        return cls(labels, tuple(table["key"].to_pylist()), table["target"].to_numpy().astype(np.int64), probabilities, block(VOTES), agreement)
