"""The report of a stored result in a browser: whole, quiet, and no wider than the screen."""

import pytest

from eval.report import write_report
from eval.result import load, load_predictions
from eval.scores import score
from tests.browser.conftest import quiet_page
from tests.sources import ROOT

RESULT = ROOT / "tests" / "historic" / "schema1-sketch.json"


@pytest.mark.parametrize("width", [1440, 390])
def test_a_report_fits_the_screen_and_asks_nobody(browser, tmp_path, width):
    result = load(RESULT)
    predictions = load_predictions(result, RESULT)
    write_report(result, predictions, score(predictions), tmp_path / "r.html")
    asked = []
    with quiet_page(browser, width) as page:
        page.on("request", lambda one: asked.append(one.url))
        page.goto((tmp_path / "r.html").as_uri())
        page.wait_for_selector(".figure svg.main-svg")
        page.wait_for_function("document.querySelectorAll('.figure').length === document.querySelectorAll('.figure .plot-container').length")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        widths = page.evaluate("[...document.querySelectorAll('.figure .main-svg')].map(one => one.getBoundingClientRect().right)")
        assert len(widths) >= 3
        assert max(widths) <= width
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
