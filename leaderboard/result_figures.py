"""Plotly figures of measured results, one to four beside each other: per class, confusion, reliability, robustness, quality, the three problems."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from eval import metrics
from eval.significance import wilson
from leaderboard.evidence import calibration_error
from leaderboard.figures import AXIS, HEIGHT, TEXT, layout
from leaderboard.record import Record

# Models, in the order they were chosen: Okabe and Ito's, dark and light enough for both backgrounds, each with a mark and a dash of its own.
MODELS = (("#009e73", "diamond", "solid"), ("#0a7fc2", "circle", "dash"), ("#d55e00", "square", "dot"), ("#a8629a", "triangle-up", "dashdot"))
# Cells up to FAINT are a breath of grey under grey text, the others dark enough for white text, on light and dark pages alike.
FAINT = 0.25
SHADES = [[0, "rgba(128,128,128,0.05)"], [FAINT - 1e-6, "rgba(128,128,128,0.12)"], [FAINT, "#3f8680"], [1, "#0c524d"]]
BOTH_WAYS = [
    [0, "#6e4a10"], [0.5 - FAINT / 2, "#94691f"], [0.5 - FAINT / 2 + 1e-6, "rgba(128,128,128,0.12)"], [0.5, "rgba(128,128,128,0.05)"],
    [0.5 + FAINT / 2 - 1e-6, "rgba(128,128,128,0.12)"], [0.5 + FAINT / 2, "#3f8680"], [1, "#0c524d"],
]  # fmt: skip


def per_class(records: Sequence[Record], colours: Mapping[str, str]) -> go.Figure:
    """Recall of each expression with its 95 % Wilson interval; bars in the expressions' colours for one model, marks beside each other for several."""
    figure = go.Figure()
    labels = list(dict.fromkeys(label for record in records for label in record.labels))
    for place, record in enumerate(records):
        confusion = np.array(record.confusion)
        recall, support = 100 * metrics.recall(confusion), confusion.sum(axis=1)
        kept = [index for index in range(len(record.labels)) if support[index]]
        ends = [tuple(100 * end for end in wilson(int(confusion[i, i]), int(support[i]))) for i in kept]
        colour = MODELS[place][0]
        error = {
            "type": "data", "symmetric": False, "thickness": 1.5, "width": 4, "color": TEXT if len(records) == 1 else colour,
            "array": [high - recall[i] for i, (_, high) in zip(kept, ends, strict=True)],
            "arrayminus": [recall[i] - low for i, (low, _) in zip(kept, ends, strict=True)],
        }  # fmt: skip
        x, hover = [record.labels[i] for i in kept], [f"{support[i]:,} images, {low:.1f} to {high:.1f} %" for i, (low, high) in zip(kept, ends, strict=True)]
        shown = {"x": x, "y": [recall[i] for i in kept], "error_y": error, "text": hover, "name": record.model}
        if len(records) == 1:
            figure.add_bar(**shown, marker_color=[colours[label] for label in x], hovertemplate="%{x}: %{y:.1f} %, %{text}<extra></extra>", textposition="none")
        else:
            figure.add_bar(**shown, marker_color=colour, hovertemplate="%{x}: %{y:.1f} %, %{text}<extra>%{fullData.name}</extra>", textposition="none")
    figure.update_layout(**layout(HEIGHT, "Recall by expression with 95 % interval"), barmode="group", showlegend=len(records) > 1)
    figure.update_xaxes(**AXIS, categoryorder="array", categoryarray=labels, tickangle=-35)
    return figure.update_yaxes(**AXIS, title="recall (%)", range=[0, 100])


def confusion(records: Sequence[Record], columns: int) -> go.Figure:
    """One matrix a model: how many images of each true expression (row) were given each answer, shaded by the share of the row."""
    figure, place = _panels(records, columns)
    for number, record in enumerate(records):
        counts = np.array(record.confusion)
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        hover = [[f"{count} images, {share:.1%} of the row" for count, share in zip(*row, strict=True)] for row in zip(counts, shares, strict=True)]
        _cells(figure, shares, record.labels, counts.astype(str).tolist(), hover, SHADES, 0, "true %{y}, answered %{x}", place(number))
    title = "Confusion: rows are true, columns what the model answered"
    figure.update_layout(**_stacked(len(records), columns, 420, title))
    return _squares(figure)


def reliability(records: Sequence[Record]) -> go.Figure:
    """Accuracy against confidence by bin; on the diagonal a model is right as often as it says."""
    figure = go.Figure()
    figure.add_scatter(x=[0, 100], y=[0, 100], mode="lines", line={"color": TEXT, "width": 1, "dash": "dot"}, name="as sure as right", hoverinfo="skip")
    for number, record in enumerate(records):
        bins = record.reliability
        filled = [index for index, count in enumerate(bins["counts"]) if count]
        colour, symbol, dash = MODELS[number]
        error = calibration_error(bins)
        figure.add_scatter(
            x=[100 * bins["confidence"][i] for i in filled], y=[100 * bins["accuracy"][i] for i in filled], mode="lines+markers",
            name=f"{record.model} (calibration error {100 * (error or 0):.1f})", line={"color": colour, "dash": dash},
            marker={"symbol": symbol, "size": [6 + 14 * (bins["counts"][i] / record.num_images) ** 0.5 for i in filled]},
            text=[f"{bins['counts'][i]:,} images" for i in filled], hovertemplate="%{x:.0f} % sure, %{y:.1f} % right, %{text}<extra></extra>",
        )  # fmt: skip
    figure.update_layout(**_legend_below(layout(HEIGHT, "Reliability: larger marks hold more images")))
    figure.update_xaxes(**AXIS, title="confidence (%)", range=[0, 103])
    return figure.update_yaxes(**AXIS, title="accuracy (%)", range=[0, 103])


def robustness(records: Sequence[Record], columns: int) -> go.Figure:
    """Accuracy by severity of each corruption, 0 the clean pictures; one panel a model."""
    figure, place = _panels(records, columns)
    names = list(dict.fromkeys(name for record in records for name in record.analyses["robustness"]["curves"]))
    for number, record in enumerate(records):
        block = record.analyses["robustness"]
        for name, curve in block["curves"].items():
            (colour, symbol, _), again = MODELS[names.index(name) % len(MODELS)], names.index(name) >= len(MODELS)
            points = [{"severity": 0, **block["clean"]}, *curve]
            figure.add_scatter(
                x=[point["severity"] for point in points], y=[100 * point["accuracy"] for point in points], name=name.replace("_", " "),
                legendgroup=name, showlegend=number == 0, mode="lines+markers",
                line={"color": colour, "dash": "dot" if again else "solid", "width": 2}, marker={"symbol": f"{symbol}-open" if again else symbol, "size": 8},
                text=[" to ".join(f"{100 * end:.1f}" for end in point["interval"]) for point in points],
                hovertemplate=f"{name.replace('_', ' ')}, severity %{{x}}: %{{y:.1f}} % (%{{text}})<extra></extra>", **place(number),
            )  # fmt: skip
    figure.update_layout(**_legend_below(_stacked(len(records), columns, HEIGHT, "Corruptions: accuracy by severity (0 is the clean picture)")))
    figure.update_xaxes(**AXIS, title="severity", dtick=1)
    return figure.update_yaxes(**AXIS, title="accuracy (%)", rangemode="tozero")


def resolution(records: Sequence[Record]) -> go.Figure:
    """Accuracy by the size of the face in pixels."""
    figure = go.Figure()
    sizes: set[int] = set()
    for number, record in enumerate(records):
        points = record.analyses["scale"]["points"]
        sizes |= {point["size"] for point in points}
        _curve(figure, number, record, [point["size"] for point in points], points, "%{x} pixels: %{y:.1f} %<extra></extra>")
    figure.update_layout(**_legend_below(layout(HEIGHT, "Resolution: accuracy by the size of the face")))
    figure.update_xaxes(**AXIS, title="side of the face (pixels)", type="log", tickvals=sorted(sizes), ticktext=[str(size) for size in sorted(sizes)])
    return figure.update_yaxes(**AXIS, title="accuracy (%)", rangemode="tozero")


def quality(records: Sequence[Record]) -> go.Figure:
    """Accuracy on the worst to the best quarter of the pictures by their BRISQUE score."""
    figure = go.Figure()
    for number, record in enumerate(records):
        rows = record.analyses["quality"]["quartiles"]
        _curve(figure, number, record, [f"{row['quality']} quality" for row in rows], rows, "%{x}: %{y:.1f} %<extra></extra>")
    figure.update_layout(**_legend_below(layout(HEIGHT, "Picture quality: accuracy by quarter (BRISQUE)")))
    figure.update_xaxes(**AXIS)
    return figure.update_yaxes(**AXIS, title="accuracy (%)", rangemode="tozero")


def problems(records: Sequence[Record]) -> go.Figure:
    """The three problems that the POSTER paper names, measured: similarity between classes, discrepancy within them, sensitivity to scale."""
    titles = ("Between classes: similarity (less is better)", "Within classes: discrepancy (less is better)", "Over sizes: mean accuracy (more is better)")
    figure = make_subplots(rows=3, cols=1, subplot_titles=titles, vertical_spacing=0.16)
    names = [record.model for record in records]
    geometry = [record.analyses.get("geometry", {}) for record in records]
    area = [record.analyses.get("scale", {}).get("area_under_curve") for record in records]
    values = (
        [block.get("inter_class_similarity") for block in geometry],
        [block.get("intra_class_discrepancy") for block in geometry],
        area,
    )
    for row, some in enumerate(values, 1):
        text = ["not measured" if value is None else f"{value:.3f}" for value in some]
        figure.add_bar(
            x=[value or 0 for value in some], y=[f"{name} " for name in names], orientation="h", text=text, textposition="outside", cliponaxis=False,
            marker_color=[MODELS[place][0] for place in range(len(names))], hovertemplate="%{y}: %{text}<extra></extra>", width=0.5, row=row, col=1,
        )  # fmt: skip
    shared = layout(150 + 3 * (60 + 34 * len(names)), "The three problems of the POSTER paper, measured")
    figure.update_layout(**{**shared, "margin": {**shared["margin"], "t": 84, "r": 60}}, showlegend=False)
    figure.update_annotations(font={"size": 13, "color": TEXT}, x=0, xanchor="left")
    figure.update_xaxes(**AXIS, range=[0, 1.05])
    return figure.update_yaxes(automargin=True, autorange="reversed", showticklabels=len(names) > 1)


def centroids(records: Sequence[Record], columns: int) -> go.Figure:
    """Cosine between the mean embeddings of two expressions: 1 means that the model sees them alike."""
    figure, place = _panels(records, columns)
    for number, record in enumerate(records):
        block = record.analyses["geometry"]
        cosines = [[f"{value:.2f}" for value in row] for row in block["centroid_cosine"]]
        _cells(figure, np.array(block["centroid_cosine"]), block["classes"], cosines, cosines, BOTH_WAYS, -1, "%{y} and %{x}", place(number))
    figure.update_layout(**_stacked(len(records), columns, 420, "Similarity of the expressions' mean embeddings (cosine)"))
    return _squares(figure)


HAS: dict[str, Callable[[Record], bool]] = {
    "classes": lambda record: True,
    "confusion": lambda record: True,
    "reliability": lambda record: bool(record.reliability),
    "robustness": lambda record: "robustness" in record.analyses,
    "resolution": lambda record: "scale" in record.analyses,
    "quality": lambda record: "quality" in record.analyses,
    "problems": lambda record: "geometry" in record.analyses,
    "centroids": lambda record: "geometry" in record.analyses,
}


def result_figure(name: str, records: Sequence[Record], colours: Mapping[str, str], columns: int = 2) -> go.Figure | None:
    """The figure of this name (of HAS) for the first four records that have its numbers; None where none has. columns: panels beside each other."""
    some = [record for record in records if HAS[name](record)][: len(MODELS)]
    if not some:
        return None
    columns = min(columns, len(some))
    draw: dict[str, Callable[[], go.Figure]] = {
        "classes": lambda: per_class(some, colours),
        "confusion": lambda: confusion(some, columns),
        "reliability": lambda: reliability(some),
        "robustness": lambda: robustness(some, columns),
        "resolution": lambda: resolution(some),
        "quality": lambda: quality(some),
        "problems": lambda: problems(some),
        "centroids": lambda: centroids(some, columns),
    }
    return draw[name]()


def _panels(records: Sequence[Record], columns: int) -> tuple[go.Figure, Callable[[int], dict[str, int]]]:
    """A figure with one panel a record, and where the n-th goes."""
    rows = -(-len(records) // columns)
    titles = [f"{record.model} ({record.num_images:,} images)" for record in records] if len(records) > 1 else None
    figure = make_subplots(rows=rows, cols=columns, subplot_titles=titles, horizontal_spacing=0.16, vertical_spacing=0.32 / rows)
    return figure, lambda number: {"row": number // columns + 1, "col": number % columns + 1}


def _cells(
    figure: go.Figure, values: np.ndarray, names: Sequence[str], words: list[list[str]], hover: list[list[str]], shades: list[Any], low: float,
    what: str, place: dict[str, int],
) -> None:  # fmt: skip
    """A table of expressions: cells shaded by value, each with its words in a colour that can be read on it."""
    names = list(names)
    heat = go.Heatmap(
        z=values, x=names, y=names, text=words, customdata=hover, colorscale=shades, zmin=low, zmax=1, showscale=False, xgap=1, ygap=1,
        hovertemplate=what + ": %{customdata}<extra></extra>",
    )  # fmt: skip
    figure.add_trace(heat, **place)
    for strong, colour in ((True, "#ffffff"), (False, TEXT)):
        cells = [(x, y) for y in range(len(names)) for x in range(len(names)) if (abs(values[y][x]) >= FAINT) == strong]
        figure.add_scatter(
            x=[names[x] for x, _ in cells], y=[names[y] for _, y in cells], text=[words[y][x] for x, y in cells], mode="text",
            textfont={"size": 11, "color": colour}, hoverinfo="skip", showlegend=False, **place,
        )  # fmt: skip


def _squares(figure: go.Figure) -> go.Figure:
    """Axes of a table of expressions: the first on top, no grid under the cells."""
    figure.update_yaxes(autorange="reversed", automargin=True, showgrid=False, zeroline=False)
    return figure.update_xaxes(tickangle=-45, showgrid=False, zeroline=False)


def _stacked(count: int, columns: int, panel: int, title: str) -> dict[str, Any]:
    rows = -(-count // columns)
    shared = layout(60 + panel * rows, title)
    return {**shared, "margin": {**shared["margin"], "t": 84 if count > 1 else 56, "b": 70}}


def _legend_below(shared: dict[str, Any]) -> dict[str, Any]:
    """Room for a legend of several lines under the plot."""
    return {
        **shared, "height": shared["height"] + 60, "margin": {**shared["margin"], "b": 110},
        "legend": {"orientation": "h", "x": 0, "xanchor": "left", "y": 0, "yref": "container", "yanchor": "bottom"},
    }  # fmt: skip


def _curve(figure: go.Figure, number: int, record: Record, x: list[Any], points: Sequence[Mapping[str, Any]], hover: str) -> None:
    """One model's accuracies with their intervals."""
    colour, symbol, dash = MODELS[number]
    figure.add_scatter(
        x=x, y=[100 * point["accuracy"] for point in points], name=record.model, mode="lines+markers", hovertemplate=hover,
        line={"color": colour, "dash": dash}, marker={"symbol": symbol, "size": 9},
        error_y={
            "type": "data", "symmetric": False, "thickness": 1.2, "width": 4, "color": colour,
            "array": [100 * (point["interval"][1] - point["accuracy"]) for point in points],
            "arrayminus": [100 * (point["accuracy"] - point["interval"][0]) for point in points],
        },
    )  # fmt: skip
