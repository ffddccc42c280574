"""How soon the page is there, what it asks for, whether everybody can read it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser.server import ANSWER_MILLISECONDS, App

Visit = Callable[..., Page]
PAGES = {"": "button.example", "leaderboard": "#figure .main-svg", "protocols": "#protocols h2", "submit": "#repo", "about": "#versions"}
MORE = {"model?name=posterpp_nano": "#model-figures .main-svg", "status": "#newest"}
WINDOWS = {"wide": {"width": 1440}, "phone": {"width": 390, "height": 844, "is_mobile": True, "has_touch": True}}
FIRST_PAINT_SECONDS = 10


def test_cold_start_to_first_paint(app: App, visit: Visit):
    """The processor time the server needed until it served a page, and the time the browser then needed to paint it."""
    page = visit(app.url)
    page.locator("button.example").wait_for()
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime") / 1000
    assert app.cpu_to_answer + paint < FIRST_PAINT_SECONDS, (app.cpu_to_answer, paint)


@pytest.mark.parametrize("path", list(PAGES))
def test_each_page_links_to_the_others_and_says_where_it_is(app: App, visit: Visit, path: str):
    page = visit(f"{app.url}/{path}")
    page.locator(PAGES[path]).first.wait_for()
    links = page.locator("header.top nav a")
    assert links.evaluate_all("(all) => all.map((one) => new URL(one.href).pathname.slice(1))") == list(PAGES)
    assert page.locator("header.top nav a[aria-current=page]").evaluate("(one) => new URL(one.href).pathname.slice(1)") == path
    assert page.title()


@pytest.mark.parametrize(("window", "dark"), [("wide", False), ("phone", True)])
@pytest.mark.parametrize("path", [*PAGES, *MORE])
def test_axe_finds_nothing_serious(app: App, visit: Visit, path: str, window: str, dark: bool):
    """Neither too wide for its window nor hard to read; the page's requests and its console are looked at by ``visit``."""
    page = visit(f"{app.url}/{path}", dark=dark, **WINDOWS[window])
    page.locator({**PAGES, **MORE}[path]).first.wait_for(state="attached")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    if not path:
        page.locator("button.example").click()
        page.locator("#result .bars").first.wait_for(timeout=ANSWER_MILLISECONDS)
    found = Axe().run(page)
    serious = [f"{one['id']}: {[node['target'] for node in one['nodes']]}" for one in found.response["violations"] if one["impact"] in ("serious", "critical")]
    assert serious == []
