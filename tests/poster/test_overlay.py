"""What is drawn on a photo lies where it says, and leaves the rest alone."""

import numpy as np
import pytest

from poster.attention import AGAINST
from poster.overlay import blend, draw_landmarks, opacity

PHOTO = np.full((120, 200, 3), 100, np.uint8)


def test_landmarks_are_dots_at_their_places_and_nowhere_else() -> None:
    points = np.array([[50.0, 30.0], [150.0, 90.0]])
    drawn = draw_landmarks(PHOTO, [points, None])
    changed = np.argwhere((drawn != PHOTO).any(axis=2))
    nearest = np.linalg.norm(changed[:, None, ::-1] - points, axis=2)
    assert nearest.min(axis=1).max() < 6 and set(nearest.argmin(axis=1)) == {0, 1}
    assert drawn[30, 50].tolist() == drawn[90, 150].tolist() == [255, 255, 255]
    assert np.array_equal(draw_landmarks(PHOTO, [None]), PHOTO) and (PHOTO == 100).all()


def test_many_landmarks_of_a_small_face_stay_apart() -> None:
    """A mouth's points are a few hundredths of the face apart: each keeps its white, since the rims lie under all of them."""
    points = np.array([[40.5 + 4 * column, 30.5 + 30 * row] for column in range(20) for row in range(2)])
    drawn = draw_landmarks(PHOTO, [points])
    assert all(drawn[int(y), int(x)].tolist() == [255, 255, 255] for x, y in points)
    assert all(drawn[30, 42 + 4 * column].max() < 255 for column in range(19))


def test_landmarks_beyond_the_edge_do_no_harm() -> None:
    assert np.array_equal(draw_landmarks(PHOTO, [np.array([[-50.0, 5.0], [500.0, 500.0]])]), PHOTO)


def test_no_heat_leaves_the_photo_and_more_heat_hides_more_of_it() -> None:
    values = np.linspace(0, 1, 200, dtype=np.float32)[None].repeat(120, axis=0)
    drawn = blend(PHOTO, values)
    assert np.array_equal(drawn[:, 0], PHOTO[:, 0])
    assert np.array_equal(blend(PHOTO, values, strongest=0.0), PHOTO)
    assert np.abs(drawn[0, -1].astype(int) - 100).max() > 80


def test_what_speaks_against_the_class_leaves_the_photo_as_it_is():
    values = np.full(PHOTO.shape[:2], AGAINST)
    values[:3] = 0.0
    assert np.array_equal(blend(PHOTO, values), PHOTO)
    assert opacity(np.array([0.0, AGAINST, 0.5, 1.0])).tolist() == pytest.approx([0, 0, (0.48 / 0.98) ** 0.7, 1])
