"""A submission from the page to the leaderboard, with a real worker in between."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from poster.shipped import SHIPPED, model_path
from tests.browser.server import ANSWER_MILLISECONDS, App
from tests.sources import ROOT

Visit = Callable[..., Page]
PHONE = {"width": 390, "height": 844, "is_mobile": True, "has_touch": True}


def looked_at(visit: Visit, app: App, file: Path, **options: object) -> Page:
    page = visit(f"{app.url}/submit", **options)
    page.locator("#checkpoint input[type=file]").set_input_files(file)
    # Its row, which is there when all of it has arrived, and sets the ending apart; the view of the upload, which may be too short to be seen, does not.
    page.locator("#checkpoint").get_by_role("cell", name=file.name).wait_for()
    page.get_by_role("button", name="Look at it").click()
    return page


def filled(page: Page, name: str, benchmark: str = "sketch") -> None:
    page.get_by_label("Model's name on the leaderboard").fill(name)
    page.get_by_label("Training data").fill("FERPlus Training")
    for box in page.get_by_role("checkbox").all():
        box.uncheck()
    page.get_by_label(benchmark, exact=True).check()
    page.get_by_role("button", name="Submit", exact=True).click()


def test_from_a_file_to_the_leaderboard(app: App, visit: Visit, tmp_path: Path):
    weights = tmp_path / "mine.safetensors"
    shutil.copyfile(model_path(SHIPPED), weights)
    page = looked_at(visit, app, weights)
    seen = page.locator("#seen-checkpoint")
    expect(seen).to_contain_text("posterpp_nano", timeout=ANSWER_MILLISECONDS)
    expect(seen).to_contain_text("neutral, happiness, surprise")
    expect(page.locator("#tried")).to_contain_text("Dry run on sixteen schematic faces", timeout=ANSWER_MILLISECONDS)
    assert page.locator("#tried img").count() == 16 and page.locator("#tried small").first.text_content().endswith(" %")
    filled(page, "=cmd|' /C calc'!A0")
    expect(page.get_by_role("alert")).to_contain_text("not allowed")
    filled(page, "My nano")
    link = page.get_by_role("link", name=re.compile("Job [0-9a-f]{12}"))
    link.wait_for(timeout=2 * ANSWER_MILLISECONDS)
    job = link.text_content().split()[1]

    status = visit(f"{app.url}/status?job={job}")
    expect(status.locator("#job")).to_contain_text("waiting")
    expect(status.locator("#job")).to_contain_text("no worker is at work")
    environment = {**os.environ, "FER_DATA": str(app.uploads.parent / "data"), "FER_DATABASE_URL": ""}
    subprocess.run([sys.executable, "-m", "leaderboard", "worker", "--once"], cwd=ROOT, env=environment, check=True, capture_output=True, timeout=280)
    expect(status.locator("#job")).to_contain_text("done", timeout=60_000)

    expect(status.locator("#job .log li")).to_have_count(3)
    expect(status.locator("#job-log pre")).to_be_hidden()
    status.locator("#job-log").get_by_role("button", name="Log").click()
    expect(status.locator("#job-log pre")).to_be_visible()
    expect(status.locator("#job-log pre")).to_contain_text("scored 256 images")
    expect(status.locator("#job-log pre")).to_contain_text("robustness on 15 images")
    status.get_by_role("link", name="Everything about it").click()
    expect(status.locator("#model h1")).to_have_text("My nano")
    expect(status.locator("#model-details")).to_contain_text("python -m eval score")
    expect(status.locator("#model-figures .main-svg").first).to_be_visible()

    board = visit(f"{app.url}/leaderboard?benchmark=sketch")
    expect(board.locator("#board tbody a.to-model")).to_have_text("My nano")
    expect(board.locator("td.status")).to_contain_text("measured")
    tried = visit(app.url)
    expect(tried.get_by_label("Beside it")).to_be_visible()

    again = looked_at(visit, app, weights)
    expect(again.locator("#seen-checkpoint")).to_contain_text("posterpp_nano", timeout=ANSWER_MILLISECONDS)
    filled(again, "My nano twice")
    expect(again.locator("#sent")).to_contain_text("the same weights are run once", timeout=2 * ANSWER_MILLISECONDS)
    assert [path for path in app.uploads.rglob("*") if path.is_file()] == [] == list((app.uploads.parent / "data" / "incoming").iterdir())


def test_from_a_phone_cancelled_and_run_again(app: App, visit: Visit, tmp_path: Path):
    weights = tmp_path / "phone.safetensors"
    shutil.copyfile(model_path(SHIPPED), weights)
    page = looked_at(visit, app, weights, **PHONE)
    expect(page.locator("#seen-checkpoint")).to_contain_text("posterpp_nano", timeout=ANSWER_MILLISECONDS)
    filled(page, "From a phone", "sketch-lower")
    page.get_by_role("link", name=re.compile("Job [0-9a-f]{12}")).click(timeout=2 * ANSWER_MILLISECONDS)
    expect(page.locator("#job")).to_contain_text("waiting")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#job")).to_contain_text("cancelled")
    page.reload()
    page.get_by_role("button", name="Run again").click()
    expect(page.locator("#job")).to_contain_text("waiting")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#job .log")).to_contain_text("cancelled")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_file_that_is_no_checkpoint(app: App, visit: Visit, tmp_path: Path):
    (tmp_path / "weights.pth").write_bytes(b"PK\x03\x04 no checkpoint")
    page = looked_at(visit, app, tmp_path / "weights.pth")
    expect(page.get_by_role("alert")).to_be_visible(timeout=ANSWER_MILLISECONDS)
    assert page.get_by_role("button", name="Submit", exact=True).count() == 0 or not page.get_by_role("button", name="Submit", exact=True).is_visible()


def test_a_name_that_is_no_repository(app: App, visit: Visit):
    page = visit(f"{app.url}/submit")
    page.get_by_label("Hugging Face repository").fill("https://huggingface.co/../x")
    page.get_by_role("button", name="Look at it").click()
    expect(page.get_by_role("alert")).to_contain_text("The repository is not accepted", timeout=ANSWER_MILLISECONDS)


def test_a_status_address_that_names_nothing(app: App, visit: Visit):
    page = visit(f"{app.url}/status?job=0123456789ab")
    expect(page.get_by_role("alert")).to_contain_text("There is no job")
    page = visit(f"{app.url}/status?job=<script>alert(1)</script>")
    expect(page.get_by_role("alert")).to_contain_text("names no job")
