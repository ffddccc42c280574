"""eval.significance against SciPy, published half-widths and brute force."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from eval import metrics, significance


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.sampled_from([0.9, 0.95, 0.99]))
def test_wilson_equals_scipy(drawn, level):
    hits, total = drawn
    expected = stats.binomtest(hits, total).proportion_ci(level, method="wilson")
    assert significance.wilson(hits, total, level) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize(
    ("share", "total", "half"), [(0.92, 3068, 0.0096), (0.673, 3500, 0.0155), (0.63, 4000, 0.0149), (0.917, 3153, 0.0097), (0.93, 20987, 0.0035)]
)
def test_half_widths_of_the_benchmarks(share, total, half):
    low, high = significance.wilson(round(share * total), total)
    assert (high - low) / 2 == pytest.approx(half, abs=1.5e-4)


@pytest.mark.parametrize(("total", "points"), [(3068, 0.87), (3500, 0.81), (4000, 0.76), (20987, 0.33)])
def test_smallest_gap(total, points):
    assert 100 * significance.smallest_gap(total) == pytest.approx(points, abs=0.005)


def test_an_empty_set_has_no_proportion():
    with pytest.raises(ValueError, match="not a proportion"):
        significance.wilson(0, 0)


def test_bootstrap_of_the_confusion_matrix_is_the_bootstrap_of_the_images():
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 3, 400)
    predicted = np.where(rng.random(400) < 0.7, targets, rng.integers(0, 3, 400))
    confusion = metrics.confusion_matrix(targets, predicted, 3)
    fast = significance.bootstrap_confusion(confusion, metrics.mean_class_accuracy, resamples=4000)
    values = []
    for _ in range(1500):
        index = np.concatenate([rng.choice(np.flatnonzero(targets == k), (targets == k).sum()) for k in range(3)])
        values.append(metrics.mean_class_accuracy(metrics.confusion_matrix(targets[index], predicted[index], 3)))
    assert fast == pytest.approx(np.quantile(values, [0.025, 0.975]), abs=0.006)
    assert fast == significance.bootstrap_confusion(confusion, metrics.mean_class_accuracy, resamples=4000)
    assert fast != significance.bootstrap_confusion(confusion, metrics.mean_class_accuracy, resamples=4000, seed=1)


def test_bootstrap_draws_within_each_class():
    confusion = np.array([[5, 5], [0, 0]])
    assert (significance.resample_confusion(confusion, 50, 0).sum(axis=2) == [10, 0]).all()


def test_bootstrap_mean_equals_scipy_where_there_is_one_class():
    values = np.random.default_rng(0).exponential(size=200)
    ours = significance.bootstrap_mean(values, np.zeros(200, int), resamples=5000)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=5000, method="percentile", rng=np.random.default_rng(1)).confidence_interval
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.02)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 20))
def test_mcnemar_exact_equals_the_binomial_test(only_a, only_b, both):
    a = np.array([1] * only_a + [0] * only_b + [1] * both, bool)
    b = np.array([0] * only_a + [1] * only_b + [1] * both, bool)
    found = significance.mcnemar(a, b)
    expected = stats.binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    assert (found.only_a, found.only_b) == (only_a, only_b)
    assert found.p_value == pytest.approx(expected)


def test_mcnemar_of_many_is_close_to_the_exact_test():
    a = np.array([1] * 120 + [0] * 80, bool)
    found = significance.mcnemar(a, ~a)
    assert found.method.startswith("chi-square")
    assert found.p_value == pytest.approx(stats.chi2.sf(39**2 / 200, 1))
    assert found.p_value == pytest.approx(stats.binomtest(120, 200).pvalue, abs=1e-3)


def test_mcnemar_refuses_different_sets():
    with pytest.raises(ValueError, match="different images"):
        significance.mcnemar(np.ones(3, bool), np.ones(4, bool))


def test_paired_bootstrap_is_narrower_than_two_intervals():
    rng = np.random.default_rng(3)
    base = rng.random(1000) < 0.8
    other = np.where(rng.random(1000) < 0.05, ~base, base)
    low, high = significance.paired_bootstrap(base, other, np.zeros(1000, int))
    single = significance.wilson(int(base.sum()), 1000)
    assert low <= base.mean() - other.mean() <= high
    assert high - low < 0.75 * (single[1] - single[0])
