"""The plot of the Leaderboard page's growth: every point where it belongs; the committed one is of the page up to 10,000 rows."""

from __future__ import annotations

import re

import pytest

from tests.browser.growth import SIZES, Point, chart
from tests.sources import ROOT


def test_more_is_higher_and_further_right():
    drawn = chart([Point(10, 0.5, 1, 10), Point(1000, 1.0, 2, 20), Point(10_000, 3.0, 8, 40)])
    circles = [(float(x), float(y)) for x, y in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', drawn)]
    assert len(circles) == 9
    for panel in (circles[:3], circles[3:6], circles[6:]):
        (x0, y0), (x1, y1), (x2, y2) = panel
        assert x1 - x0 == pytest.approx(2 * (x2 - x1), abs=0.5) and x2 > x1 and y0 > y1 > y2 > 0


def test_the_committed_plot_is_of_every_size():
    text = (ROOT / "docs/growth-board.svg").read_text()
    assert len(text) < 20_000
    assert {int(rows.replace(",", "")) for rows in re.findall(r"<title>([\d,]+) rows:", text)} == set(SIZES)
