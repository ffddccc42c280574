"""The browser itself: a page comes up, nothing outside is reached, and an error in a page does not go unseen."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from PIL import Image
from playwright.sync_api import Error

from tests.browser.conftest import quiet_page


class _Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        script = "<script>throw new Error('broken page')</script>" if self.path == "/broken" else ""
        body = f"<!doctype html><title>here</title><body style='background:#f00'><h1>hello</h1>{script}".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Pages) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_local_page_comes_up_and_is_kept_as_a_picture(page, site, screenshot):
    page.goto(site)
    assert page.title() == "here" and page.inner_text("h1") == "hello"
    with Image.open(screenshot("red")) as picture:
        assert picture.size == (1280, 900) and picture.convert("RGB").getpixel((1000, 800)) == (255, 0, 0)


def test_the_browser_reaches_nothing_outside(page):
    for address in ("http://example.org/", "https://192.0.2.1/"):
        with pytest.raises(Error, match="net::ERR"):
            page.goto(address, timeout=5000)


def test_an_error_in_the_page_does_not_go_unseen(browser, site):
    with pytest.raises(AssertionError, match="broken page"), quiet_page(browser) as opened:
        opened.goto(site + "/broken")
        opened.wait_for_timeout(300)
