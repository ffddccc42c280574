"""``python -m tests.browser.growth [docs/growth-board.svg]``: the Leaderboard page from 10 to 10,000 rows, measured in Chromium and drawn."""

from __future__ import annotations

import math
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.browser.chromium import launched
from tests.browser.server import start, stop
from tests.sources import ROOT

SIZES = (10, 100, 1000, 2500, 5000, 10_000)
VISITS, FILTERS = 3, 5
FILTER = """(words) => {
    const box = document.querySelector('#board input.query'), start = performance.now();
    box.value = words;
    box.dispatchEvent(new Event('input', { bubbles: true }));
    document.querySelector('#board').offsetHeight;  // the layout counts too
    return performance.now() - start;
}"""
HEAP = "performance.memory.usedJSHeapSize / 2 ** 20"


@dataclass(frozen=True)
class Point:
    """rows: of the board. ready: seconds from the address to the first row. filtered: milliseconds of one letter typed. heap: MiB of the page's scripts."""

    rows: int
    ready: float
    filtered: float
    heap: float


def measured(browser: Browser, rows: int) -> Point:
    """Medians over fresh pages of an app of its own."""
    with tempfile.TemporaryDirectory() as folder:
        app = start(ROOT / "tests/browser/large_board.py", Path(folder), ROWS=str(rows))
        try:
            ready, filtered, heap = [], [], []
            for _ in range(VISITS + 1):  # the first warms the server up
                context = browser.new_context(viewport={"width": 1440, "height": 900})
                page = context.new_page()
                page.goto(f"{app.url}/?benchmark=all", wait_until="commit")
                page.locator("#board tbody tr").first.wait_for(timeout=120_000)
                ready.append(page.evaluate("performance.now()") / 1000)
                filtered += [page.evaluate(FILTER, words) for words in ["1", "model 1", "1", "", "9"][:FILTERS]]
                heap.append(page.evaluate(HEAP))
                context.close()
            return Point(rows, statistics.median(ready[1:]), statistics.median(filtered), statistics.median(heap[1:]))
        finally:
            stop(app.process)


def chart(points: list[Point]) -> str:
    """Three small panels side by side, rows on a logarithmic axis, the promised limits as dashed lines."""
    panels = (("first row (s)", "ready", 2.0), ("filter (ms)", "filtered", 100.0), ("script memory (MiB)", "heap", None))
    width, height, gap = 220, 150, 70
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {3 * (width + gap)} {height + 80}" font-family="sans-serif" font-size="11" role="img">',
        "<title>The Leaderboard page from 10 to 10,000 rows: time to the first row, time to filter, memory</title>",
    ]
    for number, (title, field, limit) in enumerate(panels):
        left, values = 50 + number * (width + gap), [getattr(point, field) for point in points]
        top = 1.15 * max([*values, limit or 0])

        def place(rows: int, value: float, left: int = left, top: float = top) -> tuple[float, float]:
            return left + width * (math.log10(rows) - 1) / 3, 30 + height * (1 - value / top)

        parts.append(f'<text x="{left}" y="18" fill="#555">{title}</text>')
        parts.append(f'<path d="M{left} 30V{30 + height}H{left + width}" fill="none" stroke="#999"/>')
        for tick in (10, 100, 1000, 10_000):
            x, _ = place(tick, 0)
            parts.append(f'<text x="{x:.1f}" y="{height + 46}" text-anchor="middle" fill="#777">{tick:,}</text>')
        for share in (0, 0.5, 1):
            x, y = place(10, top * share)
            parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end" fill="#777">{top * share:.3g}</text>')
        if limit:
            _, y = place(10, limit)
            parts.append(f'<path d="M{left} {y:.1f}H{left + width}" stroke="#d55e00" stroke-dasharray="4 3"/>')
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(point.rows, getattr(point, field)) for point in points))
        parts.append(f'<polyline points="{line}" fill="none" stroke="#247f79" stroke-width="2"/>')
        for point in points:
            x, y = place(point.rows, getattr(point, field))
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="#247f79"><title>{point.rows:,} rows: {getattr(point, field):.3g}</title></circle>')
    parts.append(f'<text x="50" y="{height + 66}" fill="#777">rows of the board; dashed: what is promised for 5,000 rows</text>')
    return "\n".join([*parts, "</svg>", ""])


def main() -> int:
    """Measure and draw; the numbers go to stdout as well."""
    out = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "docs/growth-board.svg")
    with sync_playwright() as playwright:
        browser = launched(playwright)
        points = [measured(browser, rows) for rows in SIZES]
        browser.close()
    for point in points:
        sys.stdout.write(f"{point.rows:>6} rows: first row {point.ready:.2f} s, filter {point.filtered:.1f} ms, {point.heap:.0f} MiB\n")
    out.parent.mkdir(exist_ok=True)
    out.write_text(chart(points), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
