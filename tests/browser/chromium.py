"""Chromium as the browser tests drive it: quiet, alone, and able to reach nothing but this machine."""

from __future__ import annotations

import shutil
from pathlib import Path

from playwright.sync_api import Browser, Playwright

NO_CHROMIUM = "The browser tests need Chromium: run `apt-get install chromium` as root, or `python -m playwright install chromium`, then the tests again."
# Quiet and alone: no background traffic, and no name but the app's is ever resolved.
ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--disable-dev-shm-usage", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]  # fmt: skip


class NoChromium(Exception):
    """There is no Chromium on this machine."""


def launched(playwright: Playwright) -> Browser:
    """Debian's Chromium, else Playwright's own. Raises NoChromium, which says what to install."""
    own = playwright.chromium.executable_path
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or (own if Path(own).exists() else None)
    if executable is None:
        raise NoChromium(NO_CHROMIUM)
    return playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
