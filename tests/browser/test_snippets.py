"""The piece of Python at the foot of each page, run as it is pasted."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import skimage.data
from PIL import Image
from playwright.sync_api import Page, expect

from leaderboard.config import Config
from leaderboard.jobs import cancel
from leaderboard.store import open_store
from tests.browser.server import App
from tests.leaderboard.conftest import add_job

PAGES = {
    "": "happiness", "leaderboard": "ferplus", "model?name=posterpp_nano": "posterpp_nano", "protocols": "ferplus majority 3153",
    "submit": "posterpp_nano", "about": "/classify_photo", "status?job={job}": "cancelled",
}  # fmt: skip
PASTE = "import runpy, sys\nfor number in range(int(sys.argv[1])): runpy.run_path(f'{number}.py'), print('<next>')"


@pytest.fixture
def job(app: App) -> str:
    """A job in the app's store that nobody will run."""
    data = app.uploads.parent / "data"
    config = Config(data=data)
    store = open_store(config.url)
    queued = add_job(store, config, weights=4711)
    cancel(store, queued.job.id, "ann")
    store.close()
    return queued.job.id


@pytest.mark.timeout(900)
def test_each_page_has_python_that_works_when_pasted(app: App, visit: Callable[..., Page], job: str, tmp_path: Path):
    Image.open(Path(skimage.data.__file__).parent / "astronaut.png").convert("RGB").save(tmp_path / "photo.jpg")
    for number, path in enumerate(PAGES):
        code = visit(f"{app.url}/{path.format(job=job)}").locator("details.snippet code")
        expect(code).to_contain_text(app.url)
        (tmp_path / f"{number}.py").write_text(code.text_content())
    done = subprocess.run([sys.executable, "-c", PASTE, str(len(PAGES))], cwd=tmp_path, capture_output=True, text=True, timeout=600)
    said = done.stdout.split("<next>\n")
    assert done.returncode == 0 and len(said) == len(PAGES) + 1, done.stderr
    assert [path for path, expected, words in zip(PAGES, PAGES.values(), said, strict=False) if expected not in words] == []


@pytest.mark.parametrize("path", ["status", "model?name="])
def test_no_python_where_the_address_does_not_name_what_it_asks_for(app: App, visit: Callable[..., Page], path: str):
    page = visit(f"{app.url}/{path}")
    expect(page.locator("details.snippet code")).to_contain_text(app.url)
    expect(page.locator("details.snippet")).to_be_hidden()


def test_a_name_cannot_end_the_text_it_is_put_into(app: App, visit: Callable[..., Page]):
    page = visit(f"{app.url}/model?name=%22%5D%29%0Aprint%28%27x%27%29%23%5C$%26")
    expect(page.locator("details.snippet code")).to_contain_text('row["model"] == "\\"])\\nprint(\'x\')#\\\\$&"])')
