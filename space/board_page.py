"""The Leaderboard page: one table that filters and sorts in the browser, one figure of the benchmark it shows."""

from __future__ import annotations

from collections.abc import Callable

import gradio as gr
import plotly.graph_objects as go

from leaderboard.board import Board
from leaderboard.figures import accuracy_figure
from space.board_data import board_json
from space.settings import STATIC
from space.snippet import BOARD, snippet
from space.text import text

NARROW = 640  # pixels, as in style.css
INTRO = """
<h1>Leaderboard</h1>
<p class="lead">Numbers measured by this project beside numbers that were published, each with its source.
Rows with the same tie letter cannot be told apart.</p>
<ul class="legend"><li><i class="mark measured"></i><b>measured</b> computed here from the weights</li>
<li><i class="mark claimed"></i><b>claimed</b> published, not repeated here</li>
<li><i class="mark disputed"></i><b>disputed</b> published; others could not repeat it</li></ul>
"""


def build_board(demo: gr.Blocks, board: Callable[[], Board]) -> None:
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
    width = gr.Number(visible=False)
    snippet(BOARD)

    def fill(width: float | None) -> tuple[str, object]:
        now = board()
        return board_json(now), drawn(now, now.benchmarks[0], width)

    def follow(width: float | None, event: gr.EventData) -> object:
        """The figure of the benchmark chosen in the table; a name the board does not have changes nothing."""
        now, name = board(), event._data.get("name") if event._data else None
        return drawn(now, name, width) if name in now.benchmarks else gr.skip()

    quiet = {"api_visibility": "private", "show_progress": "hidden", "js": "() => [window.innerWidth]"}
    demo.load(fill, width, [table, figure], **quiet)
    table.chosen(follow, width, figure, **quiet)


def drawn(board: Board, benchmark: str, width: float | None) -> go.Figure:
    """The figure for a window of so many pixels; where it is narrow, names stand above their lines instead of beside the plot."""
    figure = accuracy_figure(board, benchmark)
    if width and width < NARROW:
        figure.update_yaxes(ticklabelposition="inside top", automargin=False, tickfont={"size": 11})
        figure.update_layout(legend={"x": 0, "xanchor": "left"}, title={"text": "Accuracy with 95 % interval"})
    return figure
