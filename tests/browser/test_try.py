"""The Try page in Chromium: a photo in; faces, bars and a heatmap out; every dead end ends in a sentence."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image
from playwright.sync_api import Page, Route, expect

from poster.percent import percent
from tests.browser.axe import serious
from tests.browser.server import ANSWER_MILLISECONDS, App
from tests.sources import ROOT

Visit = Callable[..., Page]
ASTRONAUT = Path(skimage.data.__file__).parent / "astronaut.png"
WARM_SECONDS = 2.0  # a free machine of two cores takes 0.3 to 0.4 with the heatmap, one four times slower 1.6
FACE = (170, 65, 280, 190)  # where Eileen Collins's face lies in it, pixels


def give(page: Page, file: Path) -> None:
    page.locator("#photo input[type=file]").first.set_input_files(file)


def answered(page: Page) -> None:
    page.locator("#result .bars").first.wait_for(timeout=ANSWER_MILLISECONDS)


def picture(path: Path, pixels: np.ndarray) -> Path:
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def faceless(tmp_path: Path) -> Path:
    """Smooth noise: nothing a detector takes for a face."""
    grains = np.random.default_rng(5).integers(0, 255, (24, 32, 3), dtype=np.uint8)
    return picture(tmp_path / "noise.png", np.asarray(Image.fromarray(grains).resize((640, 480), Image.Resampling.BICUBIC)))


def test_an_uploaded_photo_gives_faces_bars_and_a_heatmap(app: App, visit: Visit):
    page = visit(app.url)
    give(page, ASTRONAUT)
    answered(page)
    boxes = page.locator(".box").evaluate_all("(all) => all.map((one) => [one.offsetLeft, one.offsetTop, one.offsetWidth, one.offsetHeight])")
    stage = page.locator(".stage").bounding_box()
    (left, top, width, height), scale = boxes[0], 512 / stage["width"]
    x, y = (left + width / 2) * scale, (top + height / 2) * scale
    assert len(boxes) == 1 and FACE[0] < x < FACE[2] and FACE[1] < y < FACE[3]

    values = [float(text.strip("<> %")) for text in page.locator(".bars .value").all_text_contents()]  # "> 99.9 %", "< 0.1 %"
    names = page.locator(".bars .name").all_text_contents()
    assert values == sorted(values, reverse=True) and sum(values) == pytest.approx(100, abs=0.8) and len(set(names)) == len(names) >= 7
    assert names[0] == "happiness"
    widths = page.locator(".bars .fill").evaluate_all("(all) => all.map((one) => one.offsetWidth / one.parentElement.offsetWidth)")
    assert widths == pytest.approx([value / 100 for value in values], abs=0.02)

    size = page.locator(".heat").evaluate("(one) => [one.naturalWidth, one.naturalHeight, one.complete]")
    assert size == [512, 512, True]
    expect(page.locator(".note", has_text="faces found with")).to_contain_text("pixels")
    expect(page.locator(".photo")).to_have_attribute("alt", page.locator(".photo").get_attribute("alt"))
    assert "1 face" in page.locator(".photo").get_attribute("alt")


def test_the_photo_is_gone_from_disk_and_never_in_the_log(app: App, visit: Visit, tmp_path: Path):
    named = tmp_path / "private-name-4711.png"
    named.write_bytes(ASTRONAUT.read_bytes())
    page = visit(app.url)
    give(page, named)
    answered(page)
    assert [path for path in app.uploads.rglob("*") if path.is_file()] == []
    assert "4711" not in app.log.read_text()


def test_the_opacity_slider_answers_at_once_and_without_a_request(app: App, visit: Visit):
    page = visit(app.url)
    page.locator("button.example").click()
    answered(page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    heat, slider = page.locator(".heat"), page.locator(".opacity input")
    assert heat.evaluate("(one) => getComputedStyle(one).opacity") == "0.6"
    for value in ("0", "100", "35"):
        slider.fill(value)
        assert heat.evaluate("(one) => Number(getComputedStyle(one).opacity)") == int(value) / 100
        assert page.locator(".opacity output").text_content() == f"{value} %"
    slider.press("ArrowRight")
    assert heat.evaluate("(one) => getComputedStyle(one).opacity") == "0.36"
    page.locator("input.boxes").uncheck()
    expect(page.locator(".box")).to_be_hidden()
    assert asked == []


def test_other_settings_look_at_the_same_photo_again_and_keep_the_opacity(app: App, visit: Visit):
    page = visit(app.url)
    give(page, ASTRONAUT)
    answered(page)
    page.locator(".opacity input").fill("80")
    before, bars = page.locator(".heat").get_attribute("src"), page.locator(".bars").text_content()
    page.locator("#heatmap button").first.click()
    page.get_by_label("Landmarks reading the image").check()
    expect(page.locator(".heat")).not_to_have_attribute("src", before, timeout=ANSWER_MILLISECONDS)
    assert page.locator(".bars").text_content() == bars
    assert page.locator(".heat").evaluate("(one) => getComputedStyle(one).opacity") == "0.8"


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("letter.png", b"Dear model,\nthis is no picture.\n", "not a JPEG, PNG or WebP"),
        ("empty.jpg", b"", "empty"),
        ("cut.png", ASTRONAUT.read_bytes()[:20000], "damaged"),
    ],
)
def test_a_file_that_is_no_photo_gets_a_sentence(app: App, visit: Visit, tmp_path: Path, name: str, content: bytes, sentence: str):
    (tmp_path / name).write_bytes(content)
    page = visit(app.url)
    give(page, tmp_path / name)
    message = page.get_by_role("alert").filter(has_text=sentence)
    message.wait_for(timeout=ANSWER_MILLISECONDS)
    assert page.locator(".bars").count() == 0 and [path for path in app.uploads.rglob("*") if path.is_file()] == []


def test_no_face_gets_a_sentence_and_the_whole_picture_on_request(app: App, visit: Visit, faceless: Path):
    page = visit(app.url)
    give(page, faceless)
    page.get_by_role("alert").filter(has_text="No face was found").wait_for(timeout=ANSWER_MILLISECONDS)
    assert page.locator(".bars").count() == 0
    page.get_by_role("button", name="Classify the whole picture").click()
    answered(page)
    expect(page.locator(".face .which")).to_contain_text("Whole picture")
    expect(page.get_by_role("button", name="Classify the whole picture")).to_be_hidden()


def test_a_preview_that_comes_after_the_photo_is_gone_is_no_error(app: App, visit: Visit):
    page = visit(app.url)
    late = []

    def hold(route: Route) -> None:
        """The preview's request is let through once the answer is there, and with it the photo gone."""
        late.append(route)

    page.route("**/gradio_api/file=**", hold)
    give(page, ASTRONAUT)
    answered(page)
    assert late
    with page.expect_response("**/gradio_api/file=**") as came:
        late[0].continue_()
    assert came.value.status == 204  # the fixture sees to it that the console stays quiet


def test_downloads_say_what_the_page_says(app: App, visit: Visit):
    page = visit(app.url)
    page.locator("button.example").click()
    answered(page)
    got = {}
    for kind in ("PNG", "CSV", "JSON"):
        with page.expect_download() as waiting:
            page.get_by_role("button", name=kind, exact=True).click()
        got[kind] = Path(waiting.value.path()).read_bytes()
    shown = dict(zip(page.locator(".bars .name").all_text_contents(), page.locator(".bars .value").all_text_contents(), strict=True))
    data = json.loads(got["JSON"])
    (row,) = csv.DictReader(io.StringIO(got["CSV"].decode()))
    assert data["width"] == 512 and len(data["faces"]) == 1 and row["model"] == data["model"] == "posterpp_nano"
    assert {name: percent(data["faces"][0][name] or 1e-9) for name in shown} == shown  # the file has six digits
    assert {name: float(row[name]) for name in shown} == {name: data["faces"][0][name] for name in shown}
    with Image.open(io.BytesIO(got["PNG"])) as image, Image.open(ASTRONAUT) as original:
        assert image.size == (512, 512)
        change = np.abs(np.asarray(image.convert("RGB"), int) - np.asarray(original, int)).mean(axis=2)
    assert change[FACE[1] : FACE[3], FACE[0] : FACE[2]].mean() > 3 * change[300:, :].mean()  # the face is marked, the rest is only compressed


@pytest.mark.parametrize("width", [1280, 390])
def test_landmarks_are_drawn_when_ticked_and_saved_with_the_picture(app: App, visit: Visit, width: int):
    page = visit(app.url, width=width, height=844)
    page.locator("button.example").click()
    answered(page)
    points, tick = page.locator(".points"), page.get_by_label("Landmarks", exact=True)
    expect(points).to_be_hidden()
    page.get_by_label("Boxes", exact=True).uncheck()  # a box's line may lie over a dot
    pictures = []
    for ticked in (False, True):
        if ticked:
            tick.press("Space")
            expect(points).to_be_visible()
        with page.expect_download() as waiting:
            page.get_by_role("button", name="PNG", exact=True).click()
        with Image.open(waiting.value.path()) as image:
            pictures.append(np.asarray(image.convert("RGB"), int))
    assert points.bounding_box() == pytest.approx(page.locator(".photo").bounding_box(), abs=1)
    (places,) = json.loads(page.locator(".answer").get_attribute("data-answer"))["landmarks"]
    drawn = np.argwhere((pictures[0] != pictures[1]).any(axis=2))[:, ::-1] + 0.5
    apart = np.linalg.norm(drawn[:, None] - np.array(places), axis=2)
    assert apart.min(axis=0).max() < 1.5 and apart.min(axis=1).max() < 4  # a dot at each landmark, nothing elsewhere
    tick.press("Space")
    expect(points).to_be_hidden()


def test_a_warm_answer_comes_soon(app: App, visit: Visit):
    said = []
    for _ in range(3):
        page = visit(app.url)
        page.locator("button.example").click()
        answered(page)
        said.append(float(re.search(r"([\d.]+) s for", page.locator(".how").text_content())[1]))
    assert min(said) < WARM_SECONDS, said


@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_shows_the_answer_without_sideways_scrolling(app: App, visit: Visit, dark: bool):
    page = visit(app.url, width=390, height=844, dark=dark, has_touch=True, is_mobile=True)
    page.locator("button.example").click()
    answered(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    expect(page.locator(".stage")).to_be_in_viewport()


def test_a_model_of_ones_own_is_recognised_asked_and_put_beside_the_shipped_one(app: App, visit: Visit, tmp_path: Path):
    own = tmp_path / "mine <b>.safetensors"
    own.write_bytes((ROOT / "poster/weights/posterpp_nano.safetensors").read_bytes())
    page = visit(app.url)
    page.locator("button.example").click()
    answered(page)
    page.locator("#own button").first.click()
    page.locator("#own-file input[type=file]").set_input_files(own)
    expect(page.locator("#own [role=status]")).to_contain_text("posterpp_nano, 8 expressions", timeout=ANSWER_MILLISECONDS)
    expect(page.locator(".how").first).to_contain_text("(yours)", timeout=ANSWER_MILLISECONDS)
    assert [path for path in app.uploads.rglob("*") if path.is_file()] == []
    page.locator("#other input").click()
    page.get_by_role("option", name="posterpp_nano", exact=True).click()
    expect(page.locator(".pair .answer")).to_have_count(2, timeout=ANSWER_MILLISECONDS)
    own_bars, shipped_bars = (page.locator(".bars").nth(n).text_content() for n in (0, 1))
    assert own_bars == shipped_bars and serious(page) == []


def test_a_file_that_is_no_model_gets_a_sentence(app: App, visit: Visit, tmp_path: Path):
    (tmp_path / "a.pth").write_bytes(b"no model")
    page = visit(app.url)
    page.locator("#own button").first.click()
    page.locator("#own-file input[type=file]").set_input_files(tmp_path / "a.pth")
    page.locator("#own").get_by_role("alert").wait_for(timeout=ANSWER_MILLISECONDS)


def test_a_tiny_photo_is_shown_large_enough_and_its_face_is_called_small(app: App, visit: Visit, tmp_path: Path):
    with Image.open(ASTRONAUT) as original:
        original.resize((96, 96)).save(tmp_path / "tiny.png")
    page = visit(app.url)
    give(page, tmp_path / "tiny.png")
    answered(page)
    assert page.locator(".stage").bounding_box()["width"] >= 300
    expect(page.locator(".weak")).to_contain_text("small in the photo")


def test_everything_can_be_reached_by_keyboard(app: App, visit: Visit):
    page = visit(app.url)
    page.locator("button.example").focus()
    page.keyboard.press("Enter")
    answered(page)
    reached = set()
    page.locator("header.top a").first.focus()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("(document.activeElement.ariaLabel || document.activeElement.textContent || document.activeElement.type || '').trim()"))
    assert {"PNG", "CSV", "JSON", "Opacity of the heatmap in percent", "Use it from Python"} <= reached, reached
    assert any(text.startswith("Short video") for text in reached) and any(text.startswith("Try it with an example") for text in reached)
