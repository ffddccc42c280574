"""What an embedding knows about expressions: multinomial logistic regression on the training part's embeddings. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from eval.probability import softmax

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LinearProbe:
    """Standardise by the training part's mean and spread, then weights (D, K) and bias (K,)."""

    mean: Floats
    spread: Floats
    weights: Floats
    bias: Floats

    def logits(self, embeddings: NDArray[np.floating]) -> Floats:
        """(N, D) -> (N, K)."""
        return ((embeddings - self.mean) / self.spread) @ self.weights + self.bias


def fit(embeddings: NDArray[np.floating], targets: NDArray[np.int64], num_classes: int, regularisation: float = 1.0, iterations: int = 1000) -> LinearProbe:
    """Minimise the summed cross-entropy + ``regularisation`` / 2 * |weights|^2 by L-BFGS (scikit-learn's LogisticRegression with C = 1 / regularisation)."""
    x = np.asarray(embeddings, dtype=np.float64)
    mean, spread = x.mean(axis=0), x.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    x = (x - mean) / spread
    truth = np.eye(num_classes)[targets]
    width = x.shape[1]

    def loss(flat: Floats) -> tuple[float, Floats]:
        weights, bias = flat[: width * num_classes].reshape(width, num_classes), flat[width * num_classes :]
        probability = softmax(x @ weights + bias)
        value = -np.log(np.maximum(probability[truth > 0], 1e-300)).sum() + regularisation / 2 * (weights**2).sum()
        error = probability - truth
        return float(value), np.concatenate([(x.T @ error + regularisation * weights).ravel(), error.sum(axis=0)])

    found = minimize(loss, np.zeros((width + 1) * num_classes), jac=True, method="L-BFGS-B", options={"maxiter": iterations, "gtol": 1e-4, "ftol": 1e-12})
    return LinearProbe(mean, spread, found.x[: width * num_classes].reshape(width, num_classes), found.x[width * num_classes :])
