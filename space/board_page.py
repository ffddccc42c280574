"""The Leaderboard page: one table that filters and sorts in the browser, one figure at a time of the benchmark it shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr
import plotly.graph_objects as go

from leaderboard.board import Board
from leaderboard.figures import AXES, TEXT, accuracy_figure, cost_figure, narrowed
from leaderboard.record import Record
from leaderboard.result_figures import HAS, result_figure
from space.board_cache import BoardCache
from space.expressions import COLOURS
from space.settings import STATIC
from space.snippet import BOARD, snippet
from space.text import text

NARROW = 640  # pixels, as in style.css
MOST_COMPARED = 4
CHOICE = "() => [window.innerWidth, JSON.parse(document.querySelector('#board .board').dataset.drawn)]"
INTRO = """
<h1>Leaderboard</h1>
<ul class="legend"><li><i class="mark measured"></i><b>measured</b> computed here from the weights</li>
<li><i class="mark claimed"></i><b>claimed</b> published, not repeated here</li>
<li><i class="mark disputed"></i><b>disputed</b> published; others could not repeat it</li>
<li><i class="tie">a</i> rows with the same letter cannot be told apart</li></ul>
"""
NOTHING = """<p class="nothing">Nothing of this benchmark was measured here with what this figure needs. Measure it with
<code>python -m eval score WEIGHTS --benchmark {benchmark} --data DIR --analyses all</code>, or <a href="./submit">submit a model</a>.</p>"""
NO_COST = '<p class="nothing">No row of this benchmark is of a network that this project can count.</p>'


def build_board(demo: gr.Blocks, board: BoardCache) -> None:
    """The page's parts; table and figure are filled when the page opens, so that new results show without a restart."""
    text(INTRO)
    table = gr.HTML(
        "",
        html_template=(STATIC / "board.html").read_text(encoding="utf-8"),
        js_on_load=(STATIC / "board.js").read_text(encoding="utf-8"),
        apply_default_css=False,
        elem_id="board",
    )
    figure = gr.Plot(show_label=False, elem_id="figure", container=False)
    nothing = gr.HTML("", apply_default_css=False, visible=False)
    width, choice = gr.Number(visible=False), gr.JSON(visible=False)
    snippet(BOARD)

    def fill(width: float | None) -> tuple[Any, ...]:
        now = board()
        return board.json(), *parts(now, now.benchmarks[0], "interval", (), width)

    def follow(width: float | None, choice: Any) -> tuple[Any, ...]:
        """The figure chosen in the table; a word the board does not know changes nothing."""
        now, asked = board(), choice if isinstance(choice, dict) else {}
        name, plot, compare = asked.get("name"), asked.get("plot"), asked.get("compare")
        if name not in now.benchmarks or plot not in ("interval", *AXES, *HAS) or not isinstance(compare, list):
            return gr.skip(), gr.skip()
        return parts(now, name, plot, [one for one in compare if isinstance(one, str)], width)

    quiet = {"api_visibility": "private", "show_progress": "hidden"}
    demo.load(fill, width, [table, figure, nothing], js="() => [window.innerWidth]", **quiet)
    # Of several quick choices the last counts. It is read when a request leaves: one that had to wait is sent with the data of the event before it.
    table.chosen(follow, [width, choice], [figure, nothing], trigger_mode="always_last", js=CHOICE, **quiet)


def parts(board: Board, benchmark: str, plot: str, compare: Sequence[str], width: float | None) -> tuple[Any, Any]:
    """The figure, or the words that stand in its place."""
    found = drawn(board, benchmark, plot, compare, width)
    words = NO_COST if plot in AXES else NOTHING.format(benchmark=benchmark)  # a name of the board, which are plain words
    return gr.update(value=found, visible=found is not None), gr.update(value="" if found else words, visible=found is None)


def compared(board: Board, benchmark: str, compare: Sequence[str]) -> list[Record]:
    """The results ticked for comparison, in that order; where none is, the best one measured on the benchmark."""
    ticked = [board.records[key] for key in compare[:MOST_COMPARED] if key in board.records]
    return ticked or [board.records[row.id] for row in board.of(benchmark) if row.status == "measured" and row.id in board.records]


def drawn(board: Board, benchmark: str, plot: str, compare: Sequence[str], width: float | None) -> go.Figure | None:
    """The figure for a window of so many pixels, None where there is nothing to draw; where it is narrow, names stand above their lines."""
    narrow = bool(width and width < NARROW)
    if plot in HAS:
        records = [record for record in compared(board, benchmark, compare) if HAS[plot](record)]
        figure = result_figure(plot, records if compare else records[:1], COLOURS, columns=1 if narrow else 2)
    elif plot in AXES:
        known = any(getattr(row, AXES[plot].column) is not None for row in board.of(benchmark))
        figure = cost_figure(board, benchmark, plot) if known else None
    else:
        figure = accuracy_figure(board, benchmark)
        if narrow:
            figure.update_yaxes(ticklabelposition="inside top", automargin=False, tickfont={"size": 11, "color": TEXT})
            figure.update_layout(legend={"x": 0, "xanchor": "left"})
    return narrowed(figure) if figure and narrow else figure
