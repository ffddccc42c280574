"""Plotly figures of the board: marks differ in shape as well as colour, backgrounds are clear, so they read in light and dark and without colour."""

from __future__ import annotations

import plotly.graph_objects as go

from leaderboard.board import Board, Row

# Okabe and Ito's colours that keep a contrast of 3:1 on white and on near-black.
MARKS = {
    "measured": {"color": "#009e73", "symbol": "diamond", "size": 12},
    "claimed": {"color": "#0a7fc2", "symbol": "circle-open", "size": 10},
    "disputed": {"color": "#d55e00", "symbol": "x", "size": 10},
}
TEXT = "#7b7b7b"  # 4:1 on white and on near-black alike
LINE = "rgba(128,128,128,0.3)"
ROW_PIXELS, FRAME_PIXELS = 26, 130


def accuracy_figure(board: Board, benchmark: str) -> go.Figure:
    """Accuracy of every row of a benchmark with its 95 % interval, best on top; height in pixels set, since Gradio's hidden tabs have none.

    Raises ValueError when the board has no row of that benchmark.
    """
    rows = board.of(benchmark)
    if not rows:
        raise ValueError(f"the board has no row of {benchmark!r}; it has {', '.join(board.benchmarks)}")
    names = _unique_names(rows)
    figure = go.Figure()
    for status, mark in MARKS.items():
        chosen = [index for index, row in enumerate(rows) if row.status == status]
        if not chosen:
            continue
        ends = [rows[i].interval or (rows[i].accuracy, rows[i].accuracy) for i in chosen]
        figure.add_scatter(
            x=[rows[i].accuracy for i in chosen],
            y=[names[i] for i in chosen],
            mode="markers",
            name=status,
            marker={**mark, "line": {"width": 2, "color": mark["color"]}},
            error_x={
                "type": "data", "symmetric": False, "thickness": 1.5, "width": 4, "color": mark["color"],
                "array": [high - rows[i].accuracy for i, (_, high) in zip(chosen, ends, strict=True)],
                "arrayminus": [rows[i].accuracy - low for i, (low, _) in zip(chosen, ends, strict=True)],
            },
            text=[_hover(rows[i]) for i in chosen],
            hovertemplate="%{text}<extra></extra>",
        )  # fmt: skip
    axis = {"gridcolor": LINE, "zeroline": False, "linecolor": LINE}
    figure.update_layout(
        height=FRAME_PIXELS + ROW_PIXELS * len(rows),
        margin={"l": 8, "r": 16, "t": 56, "b": 48},
        title={"text": f"{rows[0].title}: accuracy with 95 % interval", "font": {"size": 15}},
        legend={"orientation": "h", "y": 1, "yanchor": "bottom", "x": 1, "xanchor": "right"},
        font={"color": TEXT, "size": 13},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        xaxis={**axis, "title": {"text": "accuracy (%)"}},
        yaxis={**axis, "categoryorder": "array", "categoryarray": names[::-1], "automargin": True},
    )
    return figure


def _unique_names(rows: tuple[Row, ...]) -> list[str]:
    """Model names for the axis; a name that stands twice carries its status or its place, so two points never share a line."""
    seen: dict[str, int] = {}
    names = []
    for row in rows:
        seen[row.model] = seen.get(row.model, 0) + 1
        names.append(row.model if seen[row.model] == 1 else f"{row.model} ({row.status}, {seen[row.model]})")
    return names


def _hover(row: Row) -> str:
    interval = f" [{row.interval[0]:.1f}, {row.interval[1]:.1f}]" if row.interval else " (no interval: size of the test set not published)"
    lines = [f"<b>{row.model}</b>", f"{row.accuracy:.1f} %{interval}", f"{row.status}: {row.source}", f"epoch chosen on: {row.epoch_selection}"]
    return "<br>".join([*lines, f"tie group {row.tie_group}"] if row.tie_group else lines)
