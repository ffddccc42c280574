"""A page for every model of the board: all that is known about it, under an address that can be kept."""

from __future__ import annotations

from typing import Any

import gradio as gr

from leaderboard.board import Board, Row
from leaderboard.figures import narrowed
from leaderboard.record import Record
from leaderboard.result_figures import HAS, result_figure
from poster.errors import InputError
from space.answer_view import message_html
from space.board_cache import BoardCache
from space.board_page import NARROW
from space.expressions import COLOURS
from space.model_view import BACK, COPIES, details_html, heading_html, rows_html
from space.snippet import MODEL, snippet

LONGEST_NAME = 64


def asked(board: Board, request: gr.Request) -> tuple[str, tuple[Row, ...], Record | None]:
    """The model the address names, its rows, and the result to draw: the one named, else its first measured one. Raises InputError."""
    name, result = request.query_params.get("name", ""), request.query_params.get("result", "")
    rows = board.model(name) if len(name) <= LONGEST_NAME else ()
    if not rows:
        raise InputError("The address names no model of the leaderboard; choose one there.")
    measured = [row.id for row in rows if row.id in board.records]
    chosen = result if result in measured else next(iter(measured), None)
    return name, rows, board.records[chosen] if chosen else None


def build_model(demo: gr.Blocks, board: BoardCache) -> None:
    """The page's parts, filled when it opens."""
    top = gr.HTML("", apply_default_css=False, elem_id="model")
    with gr.Column(elem_id="model-figures"):
        figures = {name: gr.Plot(show_label=False, container=False, visible=False, elem_classes="half") for name in HAS}
    details = gr.HTML("", js_on_load=COPIES, apply_default_css=False, elem_id="model-details")
    snippet(MODEL)

    width = gr.Number(visible=False)

    def fill(width: float | None, request: gr.Request) -> tuple[Any, ...]:
        try:
            name, rows, record = asked(board(), request)
        except InputError as error:
            return BACK + message_html(str(error)), "", *[gr.skip()] * len(figures)
        drawn = [result_figure(name, [record], COLOURS, columns=1) if record else None for name in figures]
        if width and width < NARROW:
            drawn = [narrowed(figure) if figure else None for figure in drawn]
        plots = [gr.update(value=figure, visible=figure is not None) for figure in drawn]
        return heading_html(name, rows) + rows_html(rows, record.id if record else ""), details_html(rows, record), *plots

    demo.load(fill, width, [top, details, *figures.values()], api_visibility="private", show_progress="hidden", js="() => [window.innerWidth]")
