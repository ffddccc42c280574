"""Plotly figures of one result: confusion matrix, reliability, classes with intervals, robustness, quality, embedding."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from eval.predictions import Predictions
from eval.result import Result
from eval.scores import ScoreSheet

BLUE, GREY, ORANGE = "#2b6cb0", "#8a94a6", "#c05621"
_LEGEND = {"orientation": "h", "y": -0.25, "yref": "paper", "yanchor": "top"}  # below: beside the plot it would take a telephone's whole width
_LAYOUT = {"template": "plotly_white", "height": 440, "margin": {"l": 60, "r": 20, "t": 60, "b": 60}, "legend": _LEGEND}


def confusion(result: Result, sheet: ScoreSheet) -> go.Figure:
    """Share of each true class (row) given each answer (column), counts in the cells."""
    counts = np.array(sheet.confusion)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    labels = list(result.labels)
    hover = "true %{y}, predicted %{x}: %{text} images (%{z:.1%})<extra></extra>"
    heat = go.Heatmap(
        z=shares, x=labels, y=labels, text=counts, texttemplate="%{text}", colorscale="Blues", zmin=0, zmax=1, showscale=False, hovertemplate=hover
    )
    figure = go.Figure(heat, layout={**_LAYOUT, "title": "Confusion matrix (rows: true)"})
    return figure.update_yaxes(autorange="reversed", title="true").update_xaxes(title="predicted")


def reliability(sheet: ScoreSheet) -> go.Figure:
    """Accuracy against confidence by bin; the diagonal is perfect calibration."""
    curve = sheet.reliability
    filled = [index for index, count in enumerate(curve["counts"]) if count]
    x, y = ([curve[name][index] for index in filled] for name in ("confidence", "accuracy"))
    figure = go.Figure(layout={**_LAYOUT, "title": f"Reliability (ECE {sheet.scores['ece']:.3f})"})
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", line={"color": GREY, "dash": "dot"}, name="perfect", hoverinfo="skip")
    texts = [f"{curve['counts'][index]} images" for index in filled]
    figure.add_scatter(x=x, y=y, mode="lines+markers", text=texts, line={"color": BLUE}, name="model")
    return figure.update_xaxes(title="confidence", range=[0, 1]).update_yaxes(title="accuracy", range=[0, 1])


def classes(sheet: ScoreSheet) -> go.Figure:
    """Recall of each class with its 95 % Wilson interval."""
    rows = [row for row in sheet.per_class if row.recall is not None and row.recall_interval is not None]
    figure = go.Figure(layout={**_LAYOUT, "title": "Recall by class with 95 % intervals"})
    recall = [row.recall or 0.0 for row in rows]
    bounds = [row.recall_interval or (0.0, 0.0) for row in rows]
    figure.add_bar(
        x=[f"{row.label} ({row.support})" for row in rows],
        y=recall,
        marker_color=BLUE,
        error_y={"array": [high - value for value, (_, high) in zip(recall, bounds, strict=True)], "symmetric": False,
                 "arrayminus": [value - low for value, (low, _) in zip(recall, bounds, strict=True)]},
    )  # fmt: skip
    return figure.update_yaxes(title="recall", range=[0, 1])


def robustness(block: dict[str, Any]) -> go.Figure:
    """Accuracy of each corruption by severity."""
    figure = go.Figure(
        layout={**_LAYOUT, "title": f"Corruptions<br><sup>mean accuracy {block['mean_corruption_accuracy']:.3f}, clean {block['clean']['accuracy']:.3f}</sup>"}
    )
    for name, curve in block["curves"].items():
        figure.add_scatter(x=[0, *(point["severity"] for point in curve)], y=[block["clean"]["accuracy"], *(point["accuracy"] for point in curve)], name=name)
    return figure.update_layout(height=540).update_xaxes(title="severity").update_yaxes(title="accuracy", range=[0, 1])


def scale(block: dict[str, Any]) -> go.Figure:
    """Accuracy by input resolution."""
    points = block["points"]
    y = [point["accuracy"] for point in points]
    high, low = ([abs(point["interval"][side] - point["accuracy"]) for point in points] for side in (1, 0))
    figure = go.Figure(layout={**_LAYOUT, "title": f"Resolution of the face<br><sup>area under the curve {block['area_under_curve']:.3f}</sup>"})
    figure.add_scatter(x=[point["size"] for point in points], y=y, error_y={"array": high, "arrayminus": low, "symmetric": False}, line={"color": BLUE})
    return figure.update_xaxes(title="pixels", type="log").update_yaxes(title="accuracy", range=[0, 1])


def quality(block: dict[str, Any]) -> go.Figure:
    """Figure 2 of the AdaFace idea: embedding length against picture quality."""
    brisque, norms = zip(*block["points"], strict=True)
    title = f"Embedding length and picture quality<br><sup>Spearman {block['correlation']:.2f}, p {block['p_value']:.1g}</sup>"
    figure = go.Figure(go.Scatter(x=[-value for value in brisque], y=norms, mode="markers", marker={"color": BLUE, "size": 5, "opacity": 0.5}))
    return figure.update_layout(**_LAYOUT, title=title).update_xaxes(title="quality (minus BRISQUE)").update_yaxes(title="length of the embedding")


def quartiles(block: dict[str, Any]) -> go.Figure:
    """Accuracy by quality quartile."""
    rows = block["quartiles"]
    y = [row["accuracy"] for row in rows]
    high, low = ([abs(row["interval"][side] - row["accuracy"]) for row in rows] for side in (1, 0))
    bars = go.Bar(x=[row["quality"] for row in rows], y=y, marker_color=BLUE, error_y={"array": high, "arrayminus": low, "symmetric": False})
    return go.Figure(bars, layout={**_LAYOUT, "title": "Accuracy by picture quality (quartiles)"}).update_yaxes(title="accuracy", range=[0, 1])


def centroids(block: dict[str, Any]) -> go.Figure:
    """Cosine between the classes' mean embeddings: the inter-class similarity."""
    names = block["classes"]
    heat = go.Heatmap(z=block["centroid_cosine"], x=names, y=names, zmin=-1, zmax=1, colorscale="RdBu", showscale=False, texttemplate="%{z:.2f}")
    return go.Figure(heat, layout={**_LAYOUT, "title": "Cosine between class centroids"}).update_yaxes(autorange="reversed")


def plane(block: dict[str, Any], predictions: Predictions) -> go.Figure:
    """The two principal components of the embeddings, with what they keep."""
    points, rows = np.array(block["points"]), np.array(block["rows"])
    kept = f"{100 * block['explained']:.0f} % of the variance, {100 * block['neighbours']:.0f} % of the neighbours kept"
    title = f"Embeddings, two principal components<br><sup>{kept}</sup>"
    figure = go.Figure(layout={**_LAYOUT, "title": title})
    for index, label in enumerate(predictions.labels):
        chosen = predictions.targets[rows] == index
        if chosen.any():
            keys = [predictions.keys[row] for row in rows[chosen]]
            figure.add_scatter(x=points[chosen, 0], y=points[chosen, 1], mode="markers", marker={"size": 5, "opacity": 0.6}, name=label, text=keys)
    return figure
