"""Boxes of faces: what two share, and each face once."""

from __future__ import annotations

import pytest

from poster.detection.faces import Found, distinct, overlap


def test_overlap_of_boxes():
    one = (0.0, 0.0, 10.0, 10.0)
    assert overlap(one, (5.0, 0.0, 15.0, 10.0)) == pytest.approx(1 / 3)
    assert overlap(one, one) == 1 and overlap(one, (20.0, 20.0, 30.0, 30.0)) == overlap(one, (0.0, 20.0, 10.0, 30.0)) == 0


def test_each_face_is_kept_once_with_its_surest_box():
    left, beside, right = (0.0, 0.0, 10.0, 10.0), (2.0, 0.0, 12.0, 10.0), (20.0, 0.0, 30.0, 10.0)
    assert distinct([Found(left, 0.3), Found(right, 0.5), Found(beside, 0.9)]) == [Found(beside, 0.9), Found(right, 0.5)]
