"""Model classes -> benchmark classes, by name: what happens where one has a class that the other lacks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.inference import ScoringError
from eval.probability import softmax
from poster.labels import mapping


@dataclass(frozen=True)
class LabelMap:
    """columns: for each benchmark label its index in the model's output, None where the model lacks it.

    Probabilities are the softmax over the shared labels only: a class of the model that the benchmark lacks is left out before
    normalising, so the model never loses to an answer that cannot be right; a class that the model lacks has probability 0.
    """

    model_labels: tuple[str, ...]
    labels: tuple[str, ...]
    columns: tuple[int | None, ...]

    @classmethod
    def of(cls, model_labels: tuple[str, ...], labels: tuple[str, ...]) -> LabelMap:
        """Raises ScoringError when fewer than two labels are shared."""
        columns = mapping(model_labels, labels)
        if sum(column is not None for column in columns) < 2:
            raise ScoringError(f"the model knows {', '.join(model_labels) or 'no expressions'}, the benchmark {', '.join(labels)}: too few in common to score")
        return cls(model_labels, labels, columns)

    def probabilities(self, logits: NDArray[Any]) -> NDArray[np.float64]:
        """(N, C) logits -> (N, K) probabilities over the benchmark's labels, rows summing to 1."""
        if logits.shape[1] != len(self.model_labels):
            raise ScoringError(f"the model has {logits.shape[1]} outputs, its contract {len(self.model_labels)} labels; convert it again with --labels")
        shared = {index: column for index, column in enumerate(self.columns) if column is not None}
        result = np.zeros((len(logits), len(self.labels)))
        result[:, list(shared)] = softmax(logits[:, list(shared.values())])
        return result

    def warnings(self) -> tuple[str, ...]:
        """Sentences for the result."""
        lacking = [label for label, column in zip(self.labels, self.columns, strict=True) if column is None]
        unused = [label for label in self.model_labels if label not in self.labels]
        found = []
        if lacking:
            found.append(f"The model has no class {', '.join(lacking)}: it can never be right there.")
        if unused:
            found.append(f"The benchmark has no class {', '.join(unused)}: the model's probabilities were renormalised over the shared classes.")
        return tuple(found)
