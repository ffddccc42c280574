"""Two models beside each other on a photo with several faces: each has its own boxes, landmarks, heatmap and bars."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image
from playwright.sync_api import Page, expect
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from tests.browser.axe import serious
from tests.browser.server import ANSWER_MILLISECONDS, App
from tests.sources import ROOT

ASTRONAUT = Path(skimage.data.__file__).parent / "astronaut.png"


@pytest.fixture
def sad(tmp_path: Path) -> Path:
    """The shipped model with a head that says sadness of everything."""
    shipped = ROOT / "poster/weights/posterpp_nano.safetensors"
    with safe_open(shipped, "pt") as file:
        metadata = file.metadata()
    state = load_file(shipped)
    labels = json.loads(metadata["poster.contract"])["labels"]
    state["head.bias"][labels.index("sadness")] += 40
    save_file(state, tmp_path / "sad.safetensors", metadata=metadata)
    return tmp_path / "sad.safetensors"


@pytest.fixture
def couple(tmp_path: Path) -> Path:
    """One astronaut twice, the second in a mirror."""
    with Image.open(ASTRONAUT) as image:
        one = np.asarray(image.convert("RGB"))[:320]
    Image.fromarray(np.hstack([one, one[:, ::-1]])).save(tmp_path / "couple.png")
    return tmp_path / "couple.png"


@pytest.mark.parametrize("width", [1280, 390])
def test_two_models_answer_for_every_face(app: App, visit: Callable[..., Page], sad: Path, couple: Path, width: int):
    page = visit(app.url, width=width, height=844)
    page.locator("#photo input[type=file]").first.set_input_files(couple)
    page.locator("#result .bars").first.wait_for(timeout=ANSWER_MILLISECONDS)
    page.locator("#own button").first.click()
    page.locator("#own-file input[type=file]").set_input_files(sad)
    expect(page.locator(".how").first).to_contain_text("(yours)", timeout=ANSWER_MILLISECONDS)
    page.locator("#other input").click()
    page.get_by_role("option", name="posterpp_nano", exact=True).click()
    answers = page.locator(".pair .answer")
    expect(answers).to_have_count(2, timeout=ANSWER_MILLISECONDS)
    answers.first.get_by_label("Landmarks", exact=True).press("Space")  # what is shown is one choice for both
    told = []
    for number in range(2):
        one = answers.nth(number)
        assert one.locator(".box").count() == one.locator(".bars").count() == 2
        told.append([bars.split()[0] for bars in one.locator(".bars").all_inner_texts()])
        assert one.locator(".heat").evaluate("(heat) => [heat.naturalWidth, heat.naturalHeight]") == [1024, 320]
        expect(one.locator(".points")).to_be_visible()
        left, right = (np.array(face) for face in json.loads(one.get_attribute("data-answer"))["landmarks"])
        left, right = sorted((left, right), key=lambda points: points[:, 0].mean())
        assert left.shape == right.shape == (68, 2) and left[:, 0].max() < 512 < right[:, 0].min()
        # A mirror's left edge is the original's right one, to within a few pixels of the two found faces' difference.
        assert 1024 - right[:, 0].min() == pytest.approx(left[:, 0].max(), abs=12)
    assert told == [["sadness", "sadness"], ["happiness", "happiness"]]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth") and serious(page) == []
