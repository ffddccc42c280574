"""A short video on the Try page in Chromium: a timeline of expressions, or a sentence."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import skimage.data
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.axe import serious
from tests.browser.server import ANSWER_MILLISECONDS, App

Visit = Callable[..., Page]
ASTRONAUT = Path(skimage.data.__file__).parent / "astronaut.png"


def test_a_short_video_becomes_a_timeline(app: App, visit: Visit, tmp_path: Path):
    """Three seconds of a smiling face, then one of nothing; the limits are said before anything is chosen."""
    writer = cv2.VideoWriter(str(tmp_path / "clip.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 10, (320, 320))
    smiling = np.ascontiguousarray(np.asarray(Image.open(ASTRONAUT).convert("RGB"))[0:320, 60:380, ::-1])
    for number in range(40):
        writer.write(smiling if number < 30 else np.full_like(smiling, 60))
    writer.release()
    page = visit(app.url, dark=True)
    page.locator("#video button").first.click()
    expect(page.locator("#video .limits")).to_contain_text("up to 8 MB. The first 15 seconds")
    page.locator("#video-file input[type=file]").set_input_files(tmp_path / "clip.mp4")
    page.locator(".timeline svg").wait_for(timeout=ANSWER_MILLISECONDS)
    expect(page.locator(".timeline p").first).to_contain_text("12 pictures. Strongest: happiness in 75 %, no face in 25 %.")
    page.locator(".numbers summary").click()
    assert page.locator(".numbers tbody tr").count() == 12 and page.locator(".numbers td", has_text="no face").count() == 3
    with page.expect_download() as waiting:
        page.get_by_role("button", name="CSV", exact=True).click()
    rows = list(csv.DictReader(io.StringIO(Path(waiting.value.path()).read_text())))
    assert len(rows) == 9 and {row["strongest"] for row in rows} == {"happiness"} and float(rows[3]["seconds"]) == 1.0
    assert [path for path in app.uploads.rglob("*") if path.is_file()] == [] and serious(page) == []


def test_what_is_no_video_gets_a_sentence(app: App, visit: Visit, tmp_path: Path):
    (tmp_path / "a.mp4").write_bytes(b"no video")
    page = visit(app.url)
    page.locator("#video button").first.click()
    page.locator("#video-file input[type=file]").set_input_files(tmp_path / "a.mp4")
    page.get_by_role("alert").filter(has_text="not a video").wait_for(timeout=ANSWER_MILLISECONDS)
