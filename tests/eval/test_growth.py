"""Growth: a small measurement for real, the exponent of a known law, the drawing that is committed."""

import json
import xml.etree.ElementTree as ElementTree

import pytest

from eval.__main__ import main
from eval.growth import COUNTS, Point, drawing, measure, slope
from tests.conftest import ROOT


def test_memory_is_flat_from_one_thousand_images_to_thirty_thousand():
    small, large = measure(1_000), measure(30_000)
    assert 0 < small.seconds < large.seconds
    assert large.mebibytes - small.mebibytes < 120  # a bootstrap over all images at once took 450


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_the_exponent_of_a_known_law(power):
    assert slope([Point(count, 5.0 if count < 10_000 else (count / 1000) ** power, 1.0) for count in COUNTS]) == pytest.approx(power)


def test_the_drawing_holds_every_point():
    points = [Point(count, count / 1e4, 40.0) for count in COUNTS]
    circles = [node for node in ElementTree.fromstring(drawing(points)).iter() if node.tag.endswith("circle")]  # noqa: S314  our own text
    assert len(circles) == 2 * len(COUNTS)
    heights = [float(circle.get("cy")) for circle in circles]
    assert heights[: len(COUNTS)] == sorted(heights[: len(COUNTS)], reverse=True) and len(set(heights[len(COUNTS) :])) == 1


def test_the_committed_drawing_is_one_of_all_counts():
    text = (ROOT / "docs" / "growth-evaluation.svg").read_text()
    assert all(f"{count:,} images" in text for count in COUNTS)


def test_too_few_points_are_refused(capsys):
    assert main(["growth", "--most", "5000", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"] == "--most 5000 leaves too few points; give at least 30000"
