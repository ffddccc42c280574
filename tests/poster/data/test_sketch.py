"""The built-in faces: the same from the same seed, eight expressions, in colour."""

import numpy as np

from poster.data.sketch import SIDE, sketch_set
from poster.labels import EXPRESSIONS


def test_a_seed_gives_the_same_faces_and_another_seed_others():
    first, again, other = sketch_set(2), sketch_set(2), sketch_set(2, seed=3)
    assert (first.source.array == again.source.array).all()
    assert (first.source.array != other.source.array).any(axis=(1, 2, 3)).all()
    assert first.source.array.shape == (16, SIDE, SIDE, 3)
    assert first.counts() == dict.fromkeys(EXPRESSIONS, 2)


def test_channel_order_matters():
    faces = sketch_set(4).source.array.astype(float)
    middle = faces[:, 30:66, 30:66]
    assert (middle[..., 0].mean() - middle[..., 2].mean()) > 20, "skin is redder than blue"


def test_expressions_differ_more_than_chance():
    faces = sketch_set(12)
    grey = faces.source.array.mean(axis=3).reshape(len(faces), -1)
    grey = (grey - grey.mean(1, keepdims=True)) / grey.std(1, keepdims=True)
    centres = np.stack([grey[faces.targets == k][:6].mean(0) for k in range(8)])
    held = np.concatenate([np.flatnonzero(faces.targets == k)[6:] for k in range(8)])
    nearest = (grey[held] @ centres.T).argmax(1)
    assert (nearest == faces.targets[held]).mean() > 0.25, "twice chance with the simplest classifier there is"
