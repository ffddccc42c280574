"""Holm's correction by its definition, ranks and tie groups on made rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.ties import holm, standings, tie_groups, tie_groups_of_many


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


@given(st.integers(0, 9), st.data())
def test_the_groups_of_many_rows_are_those_of_few(count, data):
    values = st.one_of(st.floats(0, 1), st.floats(0, 0.06), st.floats(0, 0.002), st.sampled_from([0.0, 0.01, 0.05 / 36, 0.05]))
    p = np.array(data.draw(st.lists(st.lists(values, min_size=count, max_size=count), min_size=count, max_size=count))).reshape(count, count)
    names = [str(place) for place in range(count)]
    expected, _ = tie_groups(names, lambda a, b: float(p[int(a), int(b)]))
    assert tie_groups_of_many(lambda row: p[row, row + 1 :], count) == [expected[name] for name in names]
