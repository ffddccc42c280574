"""eval.metrics against scikit-learn, over all kinds of label lists."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from eval import metrics

PAIRS = st.integers(2, 8).flatmap(lambda k: st.tuples(st.just(k), st.lists(st.tuples(st.integers(0, k - 1), st.integers(0, k - 1)), min_size=1, max_size=60)))


@settings(max_examples=50, deadline=None)
@given(PAIRS)
def test_scores_equal_scikit_learn(drawn):
    classes, pairs = drawn
    true, predicted = (np.array(column) for column in zip(*pairs, strict=True))
    confusion = metrics.confusion_matrix(true, predicted, classes)
    present = np.unique(true)
    assert (confusion == reference.confusion_matrix(true, predicted, labels=range(classes))).all()
    assert metrics.accuracy(confusion) == pytest.approx(reference.accuracy_score(true, predicted))
    assert metrics.mean_class_accuracy(confusion) == pytest.approx(reference.recall_score(true, predicted, labels=present, average="macro", zero_division=0))
    assert metrics.macro_f1(confusion) == pytest.approx(reference.f1_score(true, predicted, labels=present, average="macro", zero_division=0))
    assert metrics.weighted_f1(confusion) == pytest.approx(reference.f1_score(true, predicted, average="weighted", zero_division=0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns where kappa is undefined
        kappa = reference.cohen_kappa_score(true, predicted, labels=range(classes))
    assert metrics.cohen_kappa(confusion) == pytest.approx(kappa, nan_ok=True)
    precision, recall, f1, support = reference.precision_recall_fscore_support(true, predicted, labels=present, zero_division=0)
    assert metrics.precision(confusion)[present] == pytest.approx(precision)
    assert metrics.recall(confusion)[present] == pytest.approx(recall)
    assert metrics.f1(confusion)[present] == pytest.approx(f1)
    assert (confusion.sum(1)[present] == support).all()


def test_a_class_without_images_is_undefined_and_left_out():
    confusion = np.array([[3, 1, 0], [0, 4, 0], [0, 0, 0]])
    assert np.isnan(metrics.recall(confusion)[2])
    assert np.isnan(metrics.precision(confusion)[2])
    assert metrics.mean_class_accuracy(confusion) == pytest.approx((0.75 + 1) / 2)
    assert metrics.macro_f1(confusion) == pytest.approx((6 / 7 + 8 / 9) / 2)


def test_nothing_at_all_is_undefined():
    empty = np.zeros((3, 3), dtype=np.int64)
    for score in (metrics.accuracy, metrics.mean_class_accuracy, metrics.macro_f1, metrics.weighted_f1, metrics.cohen_kappa):
        assert np.isnan(score(empty))


def test_labels_outside_the_range_are_refused():
    with pytest.raises(ValueError, match="a prediction lies outside 0..1"):
        metrics.confusion_matrix(np.array([0, 1]), np.array([0, 2]), 2)
    with pytest.raises(ValueError, match="two lists of one length"):
        metrics.confusion_matrix(np.array([0, 1]), np.array([0]), 2)
