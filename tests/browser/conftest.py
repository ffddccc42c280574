"""A running app and Chromium pages for the browser tests; without Chromium they fail and say what to install."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.chromium import NoChromium, launched
from tests.browser.server import App, start, stop
from tests.sources import ROOT

ARTIFACTS = ROOT / "artifacts"
expect.set_options(timeout=60_000)


@pytest.fixture(scope="package")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app as `make demo` starts it, with an empty store."""
    running = start(ROOT / "app.py", tmp_path_factory.mktemp("app"))
    yield running
    ARTIFACTS.mkdir(exist_ok=True)
    shutil.copyfile(running.log, ARTIFACTS / "app.log")
    stop(running.process)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        try:
            running = launched(playwright)
        except NoChromium as error:
            pytest.fail(str(error), pytrace=False)
        yield running
        running.close()


@contextlib.contextmanager
def quiet_page(browser: Browser, width: int = 1280, height: int = 900, **options: object) -> Iterator[Page]:
    """A fresh page. An uncaught error in the page's own scripts raises AssertionError at the end."""
    context = browser.new_context(viewport={"width": width, "height": height}, permissions=["camera"], reduced_motion="reduce", **options)
    opened = context.new_page()
    opened.set_default_timeout(120_000)
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    try:
        yield opened
    finally:
        context.close()
    assert errors == [], f"errors in the page: {errors}"


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh page; see :func:`quiet_page`."""
    with quiet_page(browser) as opened:
        yield opened


def picture_path(test: str, name: str) -> Path:
    """Where a test keeps a picture for people to look at."""
    ARTIFACTS.mkdir(exist_ok=True)
    return ARTIFACTS / (re.sub(r"\W+", "-", f"{test}-{name}").strip("-") + ".png")


@pytest.fixture
def screenshot(page: Page, request: pytest.FixtureRequest) -> Callable[..., Path]:
    """``screenshot("name")`` keeps what the page shows as artifacts/<test>-<name>.png; options go to Page.screenshot."""

    def take(name: str, **options: object) -> Path:
        path = picture_path(request.node.name, name)
        page.screenshot(path=path, **options)
        return path

    return take


@pytest.fixture
def visit(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Callable[..., Page]]:
    """``visit(url, width=390, dark=True, ...)`` opens an address in a fresh page.

    Afterwards each page is kept as a picture, and the test fails for an error in a console or a request to another host than the address's.
    """
    troubles: list[str] = []
    with contextlib.ExitStack() as stack:
        pages: list[Page] = []

        def open_page(url: str, dark: bool = False, **options: object) -> Page:
            opened = stack.enter_context(quiet_page(browser, color_scheme="dark" if dark else "light", **options))
            own = (re.match(r"https?://[^/]+", url)[0], "data:", "blob:")
            opened.on("request", lambda one: None if one.url.startswith(own) else troubles.append(f"request to {one.url}"))
            opened.on("console", lambda one: troubles.append(f"console: {one.text}") if one.type == "error" else None)
            opened.goto(url)
            pages.append(opened)
            return opened

        yield open_page
        for number, opened in enumerate(pages, 1):
            opened.screenshot(path=picture_path(request.node.name, str(number)), full_page=True)
    assert troubles == []
