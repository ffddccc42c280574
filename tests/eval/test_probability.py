"""eval.probability against scikit-learn, SciPy and plain loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats
from sklearn import metrics as reference

from eval import probability


def random_case(seed: int, images: int = 40, classes: int = 5) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    targets = np.concatenate([np.arange(classes), rng.integers(0, classes, images - classes)])
    return rng.dirichlet(np.full(classes, 0.7), images), targets


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6))
def test_losses_equal_scikit_learn(seed):
    probabilities, targets = random_case(seed)
    assert probability.log_loss(probabilities, targets) == pytest.approx(reference.log_loss(targets, probabilities))
    one_hot = np.eye(5)[targets]
    assert probability.brier(probabilities, targets) == pytest.approx(((probabilities - one_hot) ** 2).sum() / len(targets))
    assert probability.top_k_accuracy(probabilities, targets, 2) == pytest.approx(reference.top_k_accuracy_score(targets, probabilities, k=2))
    assert probability.top_k_accuracy(probabilities, targets, 5) == 1


def test_softmax_equals_scipy_and_survives_large_logits():
    logits = np.array([[1000.0, 999.0, -1000.0], [0.0, 0.0, 0.0]])
    assert probability.softmax(logits) == pytest.approx(special.softmax(logits, axis=1))


def test_reliability_equals_a_plain_loop():
    probabilities, targets = random_case(1, images=300)
    curve = probability.reliability(probabilities, targets, bins=10)
    confidence, correct = probabilities.max(1), probabilities.argmax(1) == targets
    expected = 0.0
    for low, high in zip(curve.edges[:-1], curve.edges[1:], strict=True):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            expected += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
    assert curve.expected_calibration_error == pytest.approx(expected)
    assert curve.counts.sum() == 300
    assert np.isnan(curve.accuracy[curve.counts == 0]).all()


def test_calibration_error_of_certain_answers():
    certain = np.tile([1.0, 0.0], (10, 1))
    assert probability.reliability(certain, np.zeros(10, int)).expected_calibration_error == 0
    assert probability.reliability(certain, np.ones(10, int)).expected_calibration_error == 1


def test_soft_cross_entropy_is_smallest_at_the_votes():
    probabilities, _ = random_case(2)
    votes, _ = random_case(3)
    entropy = stats.entropy(votes, axis=1).mean()
    assert probability.vote_entropy(votes) == pytest.approx(entropy)
    assert probability.soft_cross_entropy(probabilities, votes) == pytest.approx(entropy + stats.entropy(votes, probabilities, axis=1).mean())


def test_probability_zero_for_the_truth_is_infinite_not_clipped():
    probabilities = np.array([[1.0, 0.0], [0.5, 0.5]])
    assert probability.log_loss(probabilities, np.array([1, 0])) == np.inf
    assert probability.soft_cross_entropy(probabilities, np.array([[1.0, 0.0], [0.5, 0.5]])) == pytest.approx(np.log(2) / 2)
