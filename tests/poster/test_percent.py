"""A probability in words: never certain, never impossible unless it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poster.percent import percent


@pytest.mark.parametrize(
    ("probability", "digits", "said"),
    [
        (0.934, 1, "93.4 %"),
        (0.5, 0, "50 %"),
        (0.9999, 1, "> 99.9 %"),
        (0.9996, 1, "> 99.9 %"),
        (0.9994, 1, "99.9 %"),
        (0.0004, 1, "< 0.1 %"),
        (0.0006, 1, "0.1 %"),
        (1e-12, 1, "< 0.1 %"),
        (0.997, 0, "> 99 %"),
        (0.003, 0, "< 1 %"),
        (0.0, 1, "0.0 %"),
        (1.0, 1, "100.0 %"),
    ],
)
def test_what_is_said(probability: float, digits: int, said: str):
    assert percent(probability, digits) == said


@given(st.floats(0, 1), st.integers(0, 3))
def test_what_is_said_is_true(probability: float, digits: int):
    words = percent(probability, digits).removesuffix(" %").split()
    value = 100 * probability
    if words[0] == ">":
        assert float(words[1]) < value < 100
    elif words[0] == "<":
        assert 0 < value < float(words[1])
    else:
        assert abs(float(words[0]) - value) <= 0.5 * 10.0**-digits * (1 + 1e-6) and (float(words[0]) not in (0, 100) or probability in (0, 1))
