"""Plotly figures of the board's rows: marks differ in shape as well as colour, backgrounds are clear, so they read in light and dark and without colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log10
from textwrap import wrap
from typing import Any

import plotly.graph_objects as go

from leaderboard.board import Board, Row
from leaderboard.compute import load_costs

# Okabe and Ito's colours that keep a contrast of 3:1 on white and on near-black.
MARKS: dict[str, dict[str, Any]] = {
    "measured": {"color": "#009e73", "symbol": "diamond", "size": 12},
    "claimed": {"color": "#0a7fc2", "symbol": "circle-open", "size": 10},
    "disputed": {"color": "#d55e00", "symbol": "x", "size": 10},
}
TEXT = "#7b7b7b"  # 4:1 on white and on near-black alike
LINE = "rgba(128,128,128,0.3)"
AXIS = {"gridcolor": LINE, "zeroline": False, "linecolor": LINE}
ROW_PIXELS, FRAME_PIXELS = 26, 130
MOST_DRAWN = 60  # rows of the interval figure
HEIGHT = 460


@dataclass(frozen=True)
class Axis:
    """What a model costs, as the x axis of a figure: the column, its words, the divisor, whether less is better."""

    column: str
    words: str
    unit: float
    less_is_better: bool = True


AXES = {
    "parameters": Axis("parameters", "parameters (millions)", 1e6),
    "flops": Axis("flops", "GFLOPs an image (two operations a multiply-add)", 1e9),
    "speed": Axis("speed", "speed (POSTER++ = 1)", 1, less_is_better=False),
}


def layout(height: int, title: str = "") -> dict[str, Any]:
    """What all figures share; the height in pixels is set, since Gradio's hidden tabs have none."""
    return {
        "height": height, "title": {"text": title, "font": {"size": 15}, "x": 0, "xref": "container", "xanchor": "left", "pad": {"l": 8}},
        "margin": {"l": 8, "r": 16, "t": 56, "b": 48}, "legend": {"orientation": "h", "y": 1, "yanchor": "bottom", "x": 1, "xanchor": "right"},
        "font": {"color": TEXT, "size": 13}, "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)",
    }  # fmt: skip


def narrowed(figure: go.Figure, characters: int = 44) -> go.Figure:
    """The figure for a phone: its titles over several short lines."""
    lines = wrap(figure.layout.title.text or "", characters)
    figure.for_each_xaxis(lambda axis: axis.update(title={"text": "<br>".join(wrap(axis.title.text or "", 36)), "font": {"size": 12}}))
    figure.update_layout(title={"text": "<br>".join(lines), "font": {"size": 13}}, margin={"t": figure.layout.margin.t + 16 * (len(lines) - 1)})
    return figure


def rows_of(board: Board, benchmark: str) -> tuple[Row, ...]:
    """The rows of a benchmark. Raises ValueError when the board has none."""
    rows = board.of(benchmark)
    if not rows:
        raise ValueError(f"the board has no row of {benchmark!r}; it has {', '.join(board.benchmarks)}")
    return rows


def accuracy_figure(board: Board, benchmark: str) -> go.Figure:
    """Accuracy of every row of a benchmark with its 95 % interval, best on top, the first MOST_DRAWN of them. Raises ValueError without a row."""
    everything = rows_of(board, benchmark)
    rows = everything[:MOST_DRAWN]
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
    first = f", the first {len(rows)} of {len(everything):,}" if len(rows) < len(everything) else ""
    figure.update_layout(
        **layout(FRAME_PIXELS + ROW_PIXELS * len(rows), f"{rows[0].title}: accuracy with 95 % interval{first}"),
        xaxis={**AXIS, "title": {"text": "accuracy (%)"}, "range": _around([end for row in rows for end in (row.interval or (row.accuracy, row.accuracy))])},
        yaxis={**AXIS, "categoryorder": "array", "categoryarray": names[::-1], "automargin": True},
    )
    return figure


def cost_figure(board: Board, benchmark: str, name: str) -> go.Figure:
    """Accuracy of a benchmark's rows against what they cost (a name of AXES), with the Pareto front of the undisputed ones. Raises ValueError."""
    axis = AXES[name]
    rows = [row for row in rows_of(board, benchmark) if getattr(row, axis.column) is not None]
    values = [getattr(row, axis.column) / axis.unit for row in rows] or [1.0]
    room = _room(values, axis.column == "speed")
    figure = go.Figure()
    best, names = front(rows, axis), named(rows, axis)
    if best:
        x, y = _steps(best, axis)
        figure.add_scatter(x=x, y=y, mode="lines", name="Pareto front", line={"color": TEXT, "width": 1.5, "dash": "dot"}, hoverinfo="skip")
    for status, mark in MARKS.items():
        chosen = [row for row in rows if row.status == status]
        if chosen:
            ends = [row.interval or (row.accuracy, row.accuracy) for row in chosen]
            figure.add_scatter(
                x=[getattr(row, axis.column) / axis.unit for row in chosen], y=[row.accuracy for row in chosen], name=status,
                mode="markers+text", text=[f" {row.model} " if row.key in names else "" for row in chosen],
                textposition=[_side(getattr(row, axis.column) / axis.unit, room, axis) for row in chosen],
                textfont={"size": 11}, marker={**mark, "line": {"width": 2, "color": mark["color"]}},
                error_y={
                    "type": "data", "symmetric": False, "thickness": 1, "width": 3, "color": mark["color"],
                    "array": [high - row.accuracy for row, (_, high) in zip(chosen, ends, strict=True)],
                    "arrayminus": [row.accuracy - low for row, (low, _) in zip(chosen, ends, strict=True)],
                },
                hovertext=[f"{_hover(row)}<br>{getattr(row, axis.column) / axis.unit:,.2f} {axis.words}" for row in chosen],
                hovertemplate="%{hovertext}<extra></extra>", cliponaxis=False,
            )  # fmt: skip
    title = rows_of(board, benchmark)[0].title
    figure.update_layout(
        **layout(HEIGHT, f"{title}: accuracy against {axis.words.split(' (')[0]}"),
        xaxis={
            **AXIS, "title": {"text": axis.words}, "range": room, "type": "log" if axis.column == "speed" else "linear",
            **({"dtick": "D2", "tickformat": "~g"} if axis.column == "speed" else {}),
        },
        yaxis={**AXIS, "title": {"text": "accuracy (%)"}, "automargin": True},
    )  # fmt: skip
    return figure


def front(rows: Sequence[Row], axis: Axis) -> list[Row]:
    """The undisputed rows that no other beats in accuracy at the same cost or less, cheapest first."""
    sign = 1 if axis.less_is_better else -1
    ordered = sorted((row for row in rows if row.status != "disputed"), key=lambda row: (sign * getattr(row, axis.column), -row.accuracy))
    best: list[Row] = []
    for row in ordered:
        if not best or row.accuracy > best[-1].accuracy:
            best.append(row)
    return best


def _steps(best: list[Row], axis: Axis) -> tuple[list[float], list[float]]:
    """The front as a stair: between two of its models one gets the accuracy of the cheaper one."""
    x, y = [], []
    for place, row in enumerate(best):
        if place:
            x.append(getattr(row, axis.column) / axis.unit)
            y.append(best[place - 1].accuracy)
        x.append(getattr(row, axis.column) / axis.unit)
        y.append(row.accuracy)
    return x, y


def _side(value: float, room: list[float], axis: Axis) -> str:
    """Where a point's name goes: away from the nearer edge."""
    place = log10(value) if axis.column == "speed" else value
    return "top left" if place > (room[0] + room[1]) / 2 else "top right"


def _room(values: list[float], logarithmic: bool) -> list[float]:
    """The range of an axis with room for names to the right."""
    low, high = min(values), max(values)
    if logarithmic:
        return [log10(low) - 0.1, log10(high) + 0.35]
    return [0, high * 1.25]


def named(rows: Sequence[Row], axis: Axis) -> set[str]:
    """Keys of the rows whose name fits beside their point: the best first, none that would lie on a name already there."""
    if not rows:
        return set()
    x = {row.key: getattr(row, axis.column) for row in rows}
    wide, high = max(x.values()), max(row.accuracy for row in rows) - min(row.accuracy for row in rows)
    kept: list[Row] = []
    for row in sorted(rows, key=lambda row: (row.status != "measured", -row.accuracy)):
        near = [other for other in kept if abs(other.accuracy - row.accuracy) < 0.045 * high and abs(x[other.key] - x[row.key]) < 0.3 * wide]
        if not near and row.model not in {other.model for other in kept}:
            kept.append(row)
    return {row.key for row in kept}


def setting() -> str:
    """What the speeds hold for, in words."""
    costs = load_costs()
    return f"{costs.setting}, {costs.batch} images at a time"


def _around(values: Sequence[float]) -> list[float]:
    """An axis over the values with a little room. Said, not left to plotly: with names inside the frame it may look for a range for ever."""
    room = 0.05 * (max(values) - min(values)) or 1.0
    return [min(values) - room, max(values) + room]


def _unique_names(rows: tuple[Row, ...]) -> list[str]:
    """Model names for the axis; a name that stands twice carries its protocol or status, and its place, so two points never share a line."""
    seen: dict[str, int] = {}
    names = []
    for row in rows:
        seen[row.model] = seen.get(row.model, 0) + 1
        also = row.protocol if row.status == "measured" else row.status
        names.append(row.model if seen[row.model] == 1 else f"{row.model} ({also}, {seen[row.model]})")
    return names


def _hover(row: Row) -> str:
    interval = f" [{row.interval[0]:.1f}, {row.interval[1]:.1f}]" if row.interval else " (no interval: size of the test set not published)"
    accuracy = f"{row.accuracy:.{1 if row.status == 'measured' else 2}f} %"  # a published number as published
    lines = [f"<b>{row.model}</b>", accuracy + interval, f"{row.status}: {row.source}", f"epoch chosen on: {row.epoch_selection}"]
    return "<br>".join([*lines, f"tie group {row.tie_group}"] if row.tie_group else lines)
