"""Geometry of embeddings against scikit-learn and by hand."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.metrics import silhouette_score

from eval import problems
from eval.problems import area_under_scale_curve, class_geometry, plane, silhouette

LABELS = ("neutral", "happiness", "sadness")


def clusters(spread: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    targets = np.repeat(np.arange(3), 30)
    return (np.eye(3, 16)[targets] + spread * rng.standard_normal((90, 16))).astype(np.float32), targets


def test_silhouette_equals_scikit_learn():
    vectors, targets = clusters(0.4)
    assert silhouette(vectors.astype(float), targets) == pytest.approx(silhouette_score(vectors, targets), abs=1e-6)
    lonely = np.array([*targets[:-1], 9])
    assert silhouette(vectors.astype(float), lonely) == pytest.approx(silhouette_score(vectors, lonely), abs=1e-6)


def test_tighter_classes_score_better():
    tight, targets = clusters(0.05)
    loose, _ = clusters(0.6)
    a, b = class_geometry(tight, targets, LABELS), class_geometry(loose, targets, LABELS)
    assert a["intra_class_discrepancy"] < b["intra_class_discrepancy"]
    assert a["within_between"] < b["within_between"]
    assert a["silhouette"] > b["silhouette"]
    assert abs(a["inter_class_similarity"]) < 0.1


def test_classes_that_point_one_way_are_similar():
    vectors, targets = clusters(0.05)
    vectors[targets == 2] = vectors[targets == 1]
    found = class_geometry(vectors, targets, LABELS)
    assert found["closest_classes"] in (["happiness", "sadness"], ["sadness", "happiness"])
    assert found["centroid_cosine"][1][2] == pytest.approx(1, abs=1e-3)
    assert found["inter_class_similarity"] == pytest.approx((1 + 0 + 0) / 3, abs=0.1)


def test_the_ratio_is_one_way_analysis_of_variance():
    vectors, targets = clusters(0.3)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    within = sum(((unit[targets == k] - unit[targets == k].mean(0)) ** 2).sum() for k in range(3))
    total = ((unit - unit.mean(0)) ** 2).sum()
    assert class_geometry(vectors, targets, LABELS)["within_between"] == pytest.approx(within / (total - within), rel=1e-6)


def test_too_few_classes_are_undefined_with_the_reason():
    assert "fewer than two classes" in class_geometry(np.ones((3, 4), np.float32), np.array([0, 0, 1]), LABELS)["undefined"]


def test_the_picture_says_what_it_keeps():
    vectors, _ = clusters(0.2)
    found = plane(vectors)
    reference = PCA(2).fit(problems.unit(vectors))
    assert found["explained"] == pytest.approx(reference.explained_variance_ratio_.sum(), abs=1e-6)
    assert np.abs(found["points"]) == pytest.approx(np.abs(reference.transform(problems.unit(vectors))), abs=1e-4)
    assert 0 < found["neighbours"] <= 1
    assert len(plane(vectors, limit=20)["rows"]) == 20


def test_area_over_octaves():
    assert area_under_scale_curve([16, 64], [0.2, 0.6]) == pytest.approx(0.4)
    assert area_under_scale_curve([16, 32, 224], [0.7, 0.7, 0.7]) == pytest.approx(0.7)
