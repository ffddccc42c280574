"""Which rows of a table can be told apart: pairwise McNemar tests, Holm's correction, tie groups. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.significance import mcnemar


def holm(p_values: list[float]) -> list[float]:
    """Holm's step-down correction (1979): family-wise error over all the tests, in the order given.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted


@dataclass(frozen=True)
class Standing:
    """One row of a table: ``rank`` is 1 + the number of rows that are significantly better; ``group`` counts tie groups from 1."""

    name: str
    accuracy: float
    rank: int
    group: int


def tie_groups(names: Sequence[str], p_value: Callable[[str, str], float], alpha: float = 0.05) -> tuple[dict[str, int], dict[tuple[str, str], float]]:
    """Groups of rows, ``names`` best first: name -> group, counted from 1; and the Holm-corrected p-value of every pair.

    A group is a leader and all later rows not significantly worse than it; the next group starts at the best row left over.
    """
    pairs = list(combinations(names, 2))
    adjusted = dict(zip(pairs, holm([p_value(a, b) for a, b in pairs]), strict=True))
    groups: dict[str, int] = {}
    for position, leader in enumerate(names):
        if leader not in groups:
            group = max(groups.values(), default=0) + 1
            groups[leader] = group
            groups.update({name: group for name in names[position + 1 :] if name not in groups and adjusted[leader, name] >= alpha})
    return groups, adjusted


def tie_groups_of_many(p_values: Callable[[int], NDArray[np.float64]], count: int, alpha: float = 0.05) -> list[int]:
    """The groups of :func:`tie_groups` for thousands of rows, best first. p_values(i): (count - 1 - i,) of row i against each later row.

    Holm rejects every p-value below one threshold, so no pair need be kept: those below alpha / m are rejected whatever the others are, those
    from alpha on never, and only those between are sorted.
    """
    pairs = count * (count - 1) // 2
    sure, between = 0, [np.empty(0)]
    for row in range(count - 1):
        p = p_values(row)
        sure += int((p < alpha / pairs).sum())
        between.append(p[(p >= alpha / pairs) & (p < alpha)])
    unsure = np.sort(np.concatenate(between))
    kept = (pairs - sure - np.arange(len(unsure))) * unsure >= alpha
    threshold = float(unsure[kept.argmax()]) if kept.any() else alpha
    groups = np.zeros(count, dtype=np.int64)
    while (left := np.flatnonzero(groups == 0)).size:
        leader = int(left[0])
        later = np.flatnonzero(groups[leader + 1 :] == 0)
        group = int(groups.max()) + 1
        groups[leader] = group
        if later.size:
            groups[leader + 1 + later[p_values(leader)[later] >= threshold]] = group
    return groups.tolist()


def standings(correct: Mapping[str, NDArray[Any]], alpha: float = 0.05) -> list[Standing]:
    """Rank rows whose images are the same, best first: name -> (N,) right or wrong.

    Groups as in :func:`tie_groups`, by McNemar's test. Raises ValueError when the rows cover different numbers of images.
    """
    names = sorted(correct, key=lambda name: (-float(np.mean(correct[name])), name))
    groups, adjusted = tie_groups(names, lambda a, b: mcnemar(correct[a], correct[b]).p_value, alpha)
    rows = []
    for position, name in enumerate(names):
        better = sum(adjusted[other, name] < alpha for other in names[:position])
        rows.append(Standing(name, float(np.mean(correct[name])), 1 + better, groups[name]))
    return rows
