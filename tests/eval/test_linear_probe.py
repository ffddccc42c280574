"""The linear probe against scikit-learn's logistic regression."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from eval.linear_probe import fit


def test_the_probe_is_multinomial_logistic_regression():
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 4, 300)
    x = (np.eye(4, 6)[targets] * 1.5 + rng.standard_normal((300, 6))) * [1, 10, 0.1, 1, 5, 1] + 3
    ours = fit(x, targets, 4)
    theirs = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, tol=1e-8, max_iter=2000)).fit(x, targets)
    logits = ours.logits(x)
    powers = np.exp(logits - logits.max(1, keepdims=True))
    assert powers / powers.sum(1, keepdims=True) == pytest.approx(theirs.predict_proba(x), abs=2e-3)
    assert (logits.argmax(1) == theirs.predict(x)).mean() > 0.99


def test_a_constant_feature_does_no_harm():
    x = np.column_stack([np.arange(20.0), np.ones(20)])
    found = fit(x, (x[:, 0] > 9).astype(int), 2)
    assert np.isfinite(found.logits(x)).all()
    assert (found.logits(x).argmax(1) == (x[:, 0] > 9)).all()
