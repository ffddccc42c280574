"""A running app and a Chromium page for the browser tests; without Chromium they fail and say what to install."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
ARTIFACTS = ROOT / "artifacts"
START_SECONDS = 180  # a machine that runs other things too
NO_CHROMIUM = "The browser tests need Chromium: run `apt-get install chromium` as root, or `python -m playwright install chromium`, then the tests again."
# Quiet and alone: no background traffic, and no name but the app's is ever resolved.
ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--disable-dev-shm-usage", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]  # fmt: skip


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def wait_until_up(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Fails with the end of the app's log when it stops or does not answer in time."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    pytest.fail(f"the app did not answer at {url} (exit code {process.poll()}):\n{log.read_text(errors='replace')[-4000:]}")


@pytest.fixture(scope="session")
def app_log() -> Path:
    """What the app wrote to stdout and stderr."""
    ARTIFACTS.mkdir(exist_ok=True)
    return ARTIFACTS / "app.log"


@pytest.fixture(scope="session")
def app_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder under which the app keeps its data (data/) and uploads (uploads/)."""
    return tmp_path_factory.mktemp("app")


@pytest.fixture(scope="session")
def app_url(app_folder: Path, app_log: Path) -> Iterator[str]:
    """Address of an app that runs for the whole session on a free port, with an empty store and no way out to the network."""
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("FER_", "SPACE_"))}
    environment |= {"PORT": str(port), "FER_DATA": str(app_folder / "data"), "GRADIO_TEMP_DIR": str(app_folder / "uploads"), "PYTHONUNBUFFERED": "1"}
    with app_log.open("wb") as log:
        process = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            wait_until_up(f"http://127.0.0.1:{port}/", process, app_log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
        executable = shutil.which("chromium") or shutil.which("chromium-browser") or (own if Path(own).exists() else None)
        if executable is None:
            pytest.fail(NO_CHROMIUM, pytrace=False)
        running = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield running
        running.close()


@contextlib.contextmanager
def quiet_page(browser: Browser) -> Iterator[Page]:
    """A fresh page, 1280 x 900. An uncaught error in the page's own scripts raises AssertionError at the end."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, permissions=["camera"], reduced_motion="reduce")
    opened = context.new_page()
    opened.set_default_timeout(60_000)
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


@pytest.fixture
def screenshot(page: Page, request: pytest.FixtureRequest) -> Callable[..., Path]:
    """``screenshot("name")`` keeps what the page shows as artifacts/<test>-<name>.png, for people to look at; options go to Page.screenshot."""

    def take(name: str, **options: object) -> Path:
        ARTIFACTS.mkdir(exist_ok=True)
        path = ARTIFACTS / (re.sub(r"\W+", "-", f"{request.node.name}-{name}").strip("-") + ".png")
        page.screenshot(path=path, **options)
        return path

    return take
