"""A running app and a real browser for the tests of the pages; each page is watched for errors and for requests to other hosts."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser.server import App, start, stop
from tests.sources import ROOT

SCREENSHOTS = ROOT / "artifacts" / "browser"
expect.set_options(timeout=30_000)


@pytest.fixture(scope="package")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app as `make demo` starts it."""
    running = start(ROOT / "app.py", tmp_path_factory.mktemp("app"))
    yield running
    stop(running.process)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium that finds no host but this machine. Where there is none, the tests fail and say so."""
    with sync_playwright() as playwright:
        names = ("chromium", "chromium-browser", "google-chrome")
        path = next((found for name in names if (found := shutil.which(name))), playwright.chromium.executable_path)
        if not Path(path).exists():
            pytest.fail("There is no Chromium; install Debian's package `chromium`, or run `.venv/bin/python -m playwright install chromium`.")
        launched = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"])
        yield launched
        launched.close()


@pytest.fixture
def visit(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Callable[..., Page]]:
    """Open an address in a fresh browser session. Afterwards: a screenshot, no error in the console, no request to another host."""
    contexts: list[BrowserContext] = []
    troubles: list[str] = []

    def open_page(url: str, width: int = 1280, height: int = 900, dark: bool = False, **options: object) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light", accept_downloads=True, **options)
        contexts.append(context)
        context.set_default_timeout(60_000)
        page = context.new_page()
        own = re.match(r"https?://[^/]+", url)[0]
        page.on("request", lambda one: None if one.url.startswith((own, "data:", "blob:")) else troubles.append(f"request to {one.url}"))
        page.on("console", lambda one: troubles.append(f"console: {one.text}") if one.type == "error" else None)
        page.on("pageerror", lambda one: troubles.append(f"page error: {one}"))
        page.goto(url)
        return page

    yield open_page
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"\W+", "-", request.node.name).strip("-")
    for number, context in enumerate(contexts):
        for page in context.pages:
            page.screenshot(path=SCREENSHOTS / f"{name}-{number}.png", full_page=True)
        context.close()
    assert troubles == []
