"""The Leaderboard page: one table that filters and sorts in the browser, one figure of the benchmark it shows."""

from __future__ import annotations

import gradio as gr

from leaderboard.board import load_board
from leaderboard.figures import accuracy_figure
from space.board_data import board_json
from space.settings import STATIC
from space.text import text

INTRO = """
<h1>Leaderboard</h1>
<p class="lead">Numbers measured by this project beside numbers that were published, each with its source.
Rows with the same tie letter cannot be told apart.</p>
<ul class="legend"><li><i class="mark measured"></i><b>measured</b> computed here from the weights</li>
<li><i class="mark claimed"></i><b>claimed</b> published, not repeated here</li>
<li><i class="mark disputed"></i><b>disputed</b> published; others could not repeat it</li></ul>
"""


def build_board(demo: gr.Blocks) -> None:
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

    def fill() -> tuple[str, object]:
        board = load_board()
        return board_json(board), accuracy_figure(board, board.benchmarks[0])

    def follow(event: gr.EventData) -> object:
        """The figure of the benchmark chosen in the table; a name the board does not have changes nothing."""
        board, name = load_board(), event._data.get("name") if event._data else None
        return accuracy_figure(board, name) if name in board.benchmarks else gr.skip()

    demo.load(fn=fill, outputs=[table, figure], api_visibility="private", show_progress="hidden")
    table.chosen(follow, outputs=figure, api_visibility="private", show_progress="hidden")
