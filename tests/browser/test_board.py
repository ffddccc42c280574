"""The Leaderboard page in Chromium: filter, sort, columns, compare, export in the browser; the view in the address."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from leaderboard.board import load_board
from tests.browser.large_board import FORMULA
from tests.browser.server import App, start, stop
from tests.sources import ROOT

Visit = Callable[..., Page]


def opened(visit: Visit, url: str, **options: object) -> Page:
    page = visit(url, **options)
    page.locator("#board tbody tr").first.wait_for()
    return page


def models(page: Page) -> list[str]:
    return page.locator("#board tbody th[data-column=model] a").all_text_contents()


def test_every_row_of_the_first_benchmark_with_status_source_and_interval(app: App, visit: Visit):
    board = load_board()
    rows = board.of(board.benchmarks[0])
    page = opened(visit, f"{app.url}/leaderboard", width=1440)
    assert models(page) == [row.model for row in rows]
    assert [text.strip() for text in page.locator("td.status").all_text_contents()] == [row.status for row in rows]
    links = [row.link for row in rows if row.link]
    assert page.locator("td.source a").evaluate_all("(all) => all.map((one) => one.href)") == links
    first = page.locator("td.accuracy").first.text_content()
    low, high = rows[0].interval
    verdict = page.locator(".verdict").text_content()
    best = {status: next(row for row in rows if row.status == status) for status in ("claimed", "measured")}
    assert f"Best claim: {best['claimed'].model} {best['claimed'].accuracy:.2f} %" in verdict and "cannot be told apart" in verdict
    assert f"Best measured here: {best['measured'].model} {best['measured'].accuracy:.1f} %" in verdict and "disputed" in verdict
    assert f"{rows[0].accuracy:.2f}" in first and f"{low:.1f} to {high:.1f}" in first
    expect(page.locator("#figure .main-svg").first).to_be_visible(timeout=60_000)
    assert page.locator("#figure").bounding_box()["height"] > 200


def test_search_and_status_filter_without_a_request_and_the_address_keeps_the_view(app: App, visit: Visit):
    page = opened(visit, f"{app.url}/leaderboard?benchmark=raf-db", width=1440)
    expect(page.locator("#figure .gtitle")).to_contain_text("RAF-DB")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.get_by_label("Search").fill("POSTER-ada m=0.4")
    assert models(page) == [row.model for row in load_board().of("raf-db") if "Ada" in row.model and "m=0.4" in row.model]
    page.get_by_label("Search").fill("")
    page.get_by_label("claimed").uncheck()
    assert set(page.locator("td.status").all_text_contents()) == {"disputed"}
    assert asked == []
    assert "status=measured,disputed" in page.url

    again = opened(visit, page.url, width=1440)
    assert models(again) == models(page) and not again.get_by_label("claimed").is_checked()
    again.get_by_label("Search").fill("no such model")
    expect(again.get_by_text("No row matches.")).to_be_visible()
    again.get_by_role("button", name="Clear the filters").click()
    assert len(models(again)) == len(load_board().of("raf-db"))


def test_sort_by_any_column_unknown_values_last(app: App, visit: Visit):
    page = opened(visit, f"{app.url}/leaderboard?benchmark=raf-db", width=1440)
    heading = page.get_by_role("button", name="Accuracy (%)")
    numbers = lambda: [float(text) for text in page.locator("td.accuracy b").all_text_contents()]  # noqa: E731
    assert numbers() == sorted(numbers(), reverse=True)
    heading.click()
    assert numbers() == sorted(numbers()) and page.locator("th[aria-sort=ascending]").count() == 1
    page.get_by_role("button", name="Tie").click()
    ties = page.locator("td[data-column=tie]").all_text_contents()
    assert [tie for tie in ties if tie != "–"] == sorted(tie for tie in ties if tie != "–") and ties[-1] == "–"


def test_another_benchmark_changes_table_and_figure(app: App, visit: Visit):
    page = opened(visit, f"{app.url}/leaderboard", width=1440)
    expect(page.locator(".count")).to_contain_text("papers do not say")
    page.locator("select.benchmark").select_option("affectnet-8")
    assert set(models(page)) == {row.model for row in load_board().of("affectnet-8")}
    expect(page.locator("#figure .gtitle")).to_contain_text("AffectNet-8")
    shared = opened(visit, page.url, width=1440)
    expect(shared.locator("#figure .gtitle")).to_contain_text("AffectNet-8")


FIGURES = {
    "Parameters": "parameters", "FLOPs": "GFLOPs", "Speed": "speed", "Per expression": "Recall", "Confusion": "Confusion", "Reliability": "Reliability",
    "Robustness": "Corruptions", "Resolution": "Resolution", "Quality": "quality", "Three problems": "three problems", "Class similarity": "Similarity",
    "Accuracy": "95 % interval",
}  # fmt: skip


def test_each_figure_on_request_and_in_the_address(app: App, visit: Visit):
    page = opened(visit, f"{app.url}/leaderboard", width=1440)
    for name, title in FIGURES.items():
        page.locator(".plots").get_by_role("button", name=name, exact=True).click()
        expect(page.locator("#figure .gtitle")).to_contain_text(title)
        assert page.locator(".plots button[aria-pressed=true]").all_text_contents() == [name]
        assert page.locator("#figure").bounding_box()["height"] > 250
    page.locator(".plots").get_by_role("button", name="FLOPs").click()
    expect(page.locator(".plot-note")).to_contain_text("17.2 GFLOPs for POSTER++")
    shared = opened(visit, page.url, width=390, height=844, is_mobile=True, has_touch=True)
    expect(shared.locator("#figure .gtitle")).to_contain_text("GFLOPs")
    assert shared.locator(".plots button[aria-pressed=true]").all_text_contents() == ["FLOPs"]
    page.locator("select.benchmark").select_option("raf-db")
    page.locator(".plots").get_by_role("button", name="Confusion").click()
    expect(page.locator(".nothing")).to_contain_text("--benchmark raf-db")


def test_results_that_are_ticked_are_drawn_beside_each_other(app: App, visit: Visit):
    page = opened(visit, f"{app.url}/leaderboard?plot=confusion", width=1440)
    for box in page.locator("tbody tr.measured .pick input").all()[:2]:
        box.check()
    expect(page.locator("#figure .annotation-text")).to_have_count(2)
    expect(page.locator(".plot-note")).to_contain_text("ticked")


def test_of_several_choices_made_while_an_answer_is_awaited_the_last_is_drawn(app: App, visit: Visit):
    page = opened(visit, f"{app.url}/leaderboard?plot=reliability", width=1440)
    expect(page.locator("#figure .gtitle")).to_contain_text("Reliability")
    page.route("**/queue/join*", lambda route: (page.wait_for_timeout(500), route.continue_()))
    buttons = page.locator(".plots")
    with page.expect_request("**/queue/join*"):
        buttons.get_by_role("button", name="Confusion", exact=True).click()
    for name in ("Resolution", "Robustness"):
        buttons.get_by_role("button", name=name, exact=True).click()
    for box in page.locator("tbody tr.measured .pick input").all()[:2]:
        box.check()
    expect(page.locator("#figure .gtitle")).to_contain_text("Corruptions")
    expect(page.locator("#figure .legendtext")).not_to_have_count(0)
    page.wait_for_timeout(1500)
    expect(page.locator("#figure .gtitle")).to_contain_text("Corruptions")


def test_from_a_row_to_everything_about_the_model(app: App, visit: Visit):
    page = opened(visit, f"{app.url}/leaderboard?q=posterpp_nano", width=390, height=844, is_mobile=True, has_touch=True)
    page.locator("tbody a.to-model").first.click()
    expect(page.locator("#model h1")).to_have_text("posterpp_nano")
    details = page.locator("#model-details")
    record = load_board().records[next(row.id for row in load_board().model("posterpp_nano"))]
    for words in (record.weights_sha256, "--protocol majority", "@article{mao2023poster++", "48 x 48 pixels, grey"):
        expect(details).to_contain_text(words)
    expect(page.locator("#model-figures .main-svg:visible").first).to_be_visible()
    details.locator("button.copy").first.click()
    expect(details.locator("button.copy").first).to_have_text(re.compile("Copied|Selected"))
    page.locator("#model tbody a").last.click()
    expect(details).to_contain_text("--protocol majority-dedup")
    code = page.locator(".snippet code")
    expect(code).to_contain_text('"posterpp_nano"')


@pytest.mark.parametrize("name", ["nobody", "%3Cscript%3Ealert(1)%3C/script%3E", "A" * 5000])
def test_an_address_that_names_no_model(app: App, visit: Visit, name: str):
    page = visit(f"{app.url}/model?name={name}")
    expect(page.get_by_role("alert")).to_contain_text("names no model")
    page.locator("#model").get_by_role("link", name="Leaderboard").click()
    expect(page.get_by_role("heading", name="Leaderboard")).to_be_visible()


def test_columns_pins_and_comparison_are_part_of_the_address(app: App, visit: Visit):
    page = opened(visit, f"{app.url}/leaderboard?benchmark=raf-db", width=1440)
    page.locator("summary", has_text="Columns").click()
    page.get_by_label("Show Test images").check()
    page.get_by_label("Show Source").uncheck()
    page.get_by_label("Pin Accuracy (%)").check()
    page.keyboard.press("Escape")
    page.locator("h1").click()
    for box in page.locator("tbody .pick input").all()[:4]:
        box.check()
    assert page.locator("tbody .pick input").nth(5).is_disabled()  # four at most
    again = opened(visit, page.url, width=1440)
    titles = [title.strip() for title in again.locator("#board .scroll thead th button").all_text_contents()]
    assert titles == ["Model", "Accuracy (%)", "Tie", "Status", "Test images", "Epoch chosen on"]
    assert again.locator("thead th.pinned").count() == 3  # the tick, the model, the accuracy
    heads = again.locator(".compare tr").first.locator("th").all_text_contents()[1:]
    assert [head.removesuffix("Remove") for head in heads] == models(again)[:4]
    again.get_by_role("button", name=f"Remove {models(again)[0]}").click()
    assert again.locator(".compare tr").first.locator("th").count() == 4


def test_the_export_is_what_is_shown(app: App, visit: Visit):
    page = opened(visit, f"{app.url}/leaderboard?benchmark=raf-db&q=ddamfn&sort=model", width=1440)
    page.locator("summary", has_text="Export").click()
    got = {}
    for kind in ("CSV", "JSON"):
        with page.expect_download() as waiting:
            page.get_by_role("button", name=kind, exact=True).click()
        got[kind] = Path(waiting.value.path()).read_text()
    rows = list(csv.DictReader(io.StringIO(got["CSV"])))
    data = json.loads(got["JSON"])
    assert [row["model"] for row in rows] == [row["model"] for row in data] == models(page) == ["DDAMFN", "DDAMFN++"]
    assert [float(row["accuracy"]) for row in rows] == [91.35, 92.34] and list(rows[0]) == list(data[0])


def test_an_export_has_the_intervals_of_what_is_shown_with_one(app: App, visit: Visit):
    page = opened(visit, f"{app.url}/leaderboard?benchmark=ferplus&q=posterpp_nano&columns=model,deletion", width=1440)
    page.locator("summary", has_text="Export").click()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="CSV", exact=True).click()
    rows = list(csv.DictReader(io.StringIO(Path(waiting.value.path()).read_text())))
    assert list(rows[0]) == ["model", "deletion", "deletion_low", "deletion_high", "link"]
    shown = [text for text in page.locator("td[data-column=deletion]").all_text_contents() if text != "–"]
    found = [f"{float(row['deletion']):.2f} ({float(row['deletion_low']):.2f} to {float(row['deletion_high']):.2f})" for row in rows if row["deletion"]]
    assert shown == found != []


ODD = (
    "benchmark=..%2F&q=%00%22%3E%3Cimg+src%3Dx%3E&sort=-constructor&columns=__proto__,toString&pin=%F0%9F%98%80&status=measured,x"
    "&plot=%3Cscript%3E&compare={key},{key},y"
)


def test_an_odd_address_shows_what_it_can_and_the_way_back_leads_to_the_same_view(app: App, visit: Visit):
    board = load_board()
    best = board.of(board.benchmarks[0])[0]
    page = visit(f"{app.url}/leaderboard?{ODD.format(key=best.key)}", width=1440)
    expect(page.get_by_text("No row matches.")).to_be_visible()
    assert page.locator("#board img").count() == 0 and page.locator("#board .scroll thead th button").all_text_contents() == ["Model"]
    expect(page.locator(".compare h2")).to_have_text("Compare 1 of at most 4")
    page.get_by_role("button", name="Clear the filters").click()
    assert models(page) == [row.model for row in board.of(board.benchmarks[0])]
    page.get_by_label("Search").fill(best.model.lower())
    page.locator("tbody a.to-model").first.click()
    expect(page.locator("#model h1")).to_have_text(best.model)
    page.go_back()
    expect(page.get_by_label("Search")).to_have_value(best.model.lower())
    assert best.model in models(page) and page.locator(".compare tr").first.locator("th").count() == 2


def test_the_board_on_a_phone(app: App, visit: Visit):
    page = opened(visit, f"{app.url}/leaderboard", width=390, height=844, dark=True, has_touch=True, is_mobile=True)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator("td.status").first.is_visible()
    page.get_by_label("Search").fill("nano")
    assert set(models(page)) == {"posterpp_nano"}
    page.locator("tbody .pick input").first.check()
    expect(page.locator(".compare")).to_contain_text("posterpp_nano")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The same page with 5,000 rows."""
    running = start(ROOT / "tests/browser/large_board.py", tmp_path_factory.mktemp("large"))
    yield running
    stop(running.process)


def test_an_export_stays_inert_in_a_spreadsheet(large: App, visit: Visit):
    page = opened(visit, f"{large.url}/?benchmark=all&q=hyperlink", width=1440)
    page.locator("summary", has_text="Export").click()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="CSV", exact=True).click()
    (row,) = csv.DictReader(io.StringIO(Path(waiting.value.path()).read_text()))
    assert row["source"] == f"'{FORMULA}" and row["model"] == "model 0"


def test_five_thousand_rows_stay_smooth(large: App, visit: Visit):
    opened(visit, f"{large.url}/?benchmark=all", width=1440)  # the server's first answer
    page = opened(visit, f"{large.url}/?benchmark=all", width=1440)
    assert page.evaluate("performance.now()") < 10_000, "two seconds on a machine of one's own; tests share theirs"
    expect(page.locator(".count")).to_contain_text("5000 of 5000 rows")
    assert page.locator("#board tbody tr").count() < 200  # only those in sight are in the page
    spent = """(words) => {
        const box = document.querySelector('#board input.query'), start = performance.now();
        box.value = words;
        box.dispatchEvent(new Event('input', { bubbles: true }));
        document.querySelector('#board .scroll').offsetHeight;  // the layout counts too
        return performance.now() - start;
    }"""
    times = {words: min(page.evaluate(spent, words) for _ in range(6)) for words in ("model 4", "model 49", "model 4999", "")}
    assert max(times.values()) < 100, times
    page.get_by_label("Search").fill("model 4321")
    assert models(page) == ["model 4321"]
    page.get_by_label("Search").fill("")
    page.locator("#board .scroll").evaluate("(one) => { one.scrollTop = one.scrollHeight; }")
    expect(page.locator("#board tbody tr[aria-rowindex='5001']")).to_be_visible()
