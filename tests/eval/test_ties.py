"""Holm's correction by its definition, ranks and tie groups on made rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.ties import holm, standings


def plain_holm(p_values: list[float]) -> list[float]:
    order = np.argsort(p_values, kind="stable")
    stepped = np.array(p_values)[order] * np.arange(len(p_values), 0, -1)
    result = np.empty(len(p_values))
    result[order] = np.minimum(1, np.maximum.accumulate(stepped))
    return result.tolist()


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_by_its_definition(p_values):
    assert holm(p_values) == pytest.approx(plain_holm(p_values))


def rows(*shares: float, images: int = 3000) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    order = rng.random(images)
    return {f"m{number}": (order + 0.02 * rng.standard_normal(images)) < share for number, share in enumerate(shares)}


def test_clear_differences_make_ranks_and_groups():
    found = standings(rows(0.9, 0.8, 0.6))
    assert [(row.name, row.rank, row.group) for row in found] == [("m0", 1, 1), ("m1", 2, 2), ("m2", 3, 3)]


def test_rows_that_cannot_be_told_apart_share_a_group():
    found = standings(rows(0.9001, 0.9, 0.8999, 0.7))
    assert [row.rank for row in found] == [1, 1, 1, 4]
    assert [row.group for row in found] == [1, 1, 1, 2]


def test_one_row_is_a_group():
    assert [(row.rank, row.group) for row in standings(rows(0.5))] == [(1, 1)]
    assert standings({}) == []
