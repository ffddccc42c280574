"""A stored result as one self-contained HTML page: scores, figures (plotly inlined), worst mistakes as indices."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
from PIL import Image
from plotly.offline import get_plotlyjs

from eval import figures
from eval.predictions import Predictions
from eval.result import Result
from eval.scores import ScoreSheet
from eval.terminal import NAMES, SHARES, percent
from poster.data.images import PixelSource
from poster.data.memo import write_atomically

WORST = 30
GEOMETRY = {
    "inter_class_similarity": "inter-class similarity (mean cosine between centroids)",
    "intra_class_discrepancy": "intra-class discrepancy (mean 1 - cosine to the own centroid)",
    "within_between": "scatter within classes over scatter between them",
    "silhouette": "silhouette",
}
STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:1000px;margin:2rem auto;padding:0 1rem;color:#1a202c}
table{border-collapse:collapse;margin:1rem 0}td,th{padding:.25rem .8rem;border-bottom:1px solid #e2e8f0;text-align:left}
img{height:64px;image-rendering:pixelated}.wide{overflow-x:auto}.figure{overflow:hidden}
.held{background:#fffaf0;border-left:4px solid #c05621;padding:.5rem 1rem}
"""


def write_report(result: Result, predictions: Predictions, sheet: ScoreSheet, path: Path, pictures: PixelSource | None = None) -> None:
    """Write the page; ``pictures`` puts thumbnails beside the worst mistakes (for readers who hold the data set)."""
    write_atomically(path, page(result, predictions, sheet, pictures).encode())


def page(result: Result, predictions: Predictions, sheet: ScoreSheet, pictures: PixelSource | None = None) -> str:
    """The HTML of the page; every text from outside is escaped."""
    title = f"{result.model} on {result.benchmark} ({result.protocol})"
    parts = [
        f"<h1>{html.escape(title)}</h1>",
        f"<p>{html.escape(result.title)}: {result.num_images:,} images, {result.finished}.</p>",
        _verdict(result),
        _scores(sheet),
        *_remarks(result, sheet),
        *(f"<div class='figure'>{_drawn(figure)}</div>" for figure in all_figures(result, predictions, sheet)),
        _worst(predictions, pictures),
        _table(("", ""), _provenance(result), "Provenance"),
    ]
    head = f"<meta charset='utf-8'><meta name='viewport' content='width=device-width,initial-scale=1'><title>{html.escape(title)}</title><style>{STYLE}</style>"
    return f"<!doctype html><html lang='en'><head>{head}<script>{get_plotlyjs()}</script></head><body>{''.join(parts)}</body></html>"


def all_figures(result: Result, predictions: Predictions, sheet: ScoreSheet) -> list[go.Figure]:
    """The figures for which there are numbers."""
    blocks = result.analyses
    found = [figures.confusion(result, sheet), figures.classes(sheet), figures.reliability(sheet)]
    if "points" in blocks.get("quality", {}):
        found.insert(1, figures.quality(blocks["quality"]))
    if "quartiles" in blocks.get("quality", {}):
        found.append(figures.quartiles(blocks["quality"]))
    if "robustness" in blocks:
        found.append(figures.robustness(blocks["robustness"]))
    if "scale" in blocks:
        found.append(figures.scale(blocks["scale"]))
    if "classes" in blocks.get("geometry", {}):
        found.append(figures.centroids(blocks["geometry"]))
    if blocks.get("plane", {}).get("neighbours") is not None and blocks["plane"]["explained"] is not None:
        found.append(figures.plane(blocks["plane"], predictions))
    return found


def _drawn(figure: go.Figure) -> str:
    """The figure follows the width of the page, a telephone's too."""
    return str(figure.to_html(full_html=False, include_plotlyjs=False, config={"displaylogo": False, "responsive": True}))


def _verdict(result: Result) -> str:
    if "sentence" not in result.diagnosis:
        return ""
    return f"<p class='{'held' if result.diagnosis.get('held_back') else 'fine'}'>{html.escape(str(result.diagnosis['sentence']))}</p>"


def _scores(sheet: ScoreSheet) -> str:
    rows = []
    for name, value in sheet.scores.items():
        shown = "undefined" if value is None else (f"{percent(value)}\u00a0%" if name in SHARES else f"{value:.4f}")
        bounds = sheet.intervals.get(name)
        interval = "" if bounds is None else " to ".join(percent(bound) if name in SHARES else f"{bound:.4f}" for bound in bounds)
        rows.append((NAMES.get(name, name), shown, interval))
    return _table(("score", "value", "95 % interval"), rows, "Scores")


def _remarks(result: Result, sheet: ScoreSheet) -> Iterable[str]:
    undefined = [f"{NAMES.get(name, name)} is undefined: {why}." for name, why in sheet.undefined.items()]
    yield "<ul>" + "".join(f"<li>{html.escape(sentence)}</li>" for sentence in (*sheet.notes, *undefined, *result.warnings)) + "</ul>"
    copies = result.diagnosis.get("copies")
    if copies:
        near = "" if copies["near"] is None else f" and {copies['near']} nearly so"
        without = percent(copies["accuracy_without"])
        yield f"<p>{copies['exact']} test images stand in the training part exactly{near}; accuracy without them: {without} %.</p>"
    geometry = result.analyses.get("geometry", {})
    if "silhouette" in geometry:
        rows = [(text, "undefined" if geometry[name] is None else f"{geometry[name]:.4f}") for name, text in GEOMETRY.items()]
        yield _table(("embedding before the head", "value"), rows, "The problems of the POSTER paper, measured")


def _worst(predictions: Predictions, pictures: PixelSource | None) -> str:
    rows: list[Sequence[str]] = []
    predicted = predictions.predicted
    wrong = np.flatnonzero(~predictions.correct)
    confidence = predictions.probabilities[np.arange(len(predicted)), predicted]
    for row in wrong[np.argsort(-confidence[wrong], kind="stable")][:WORST]:
        cells = [str(row), predictions.keys[row], predictions.labels[predictions.targets[row]], predictions.labels[predicted[row]], f"{confidence[row]:.3f}"]
        rows.append(cells)
    images = [_thumbnail(pictures.read(int(cells[0]))) for cells in rows] if pictures is not None else None
    return _table(("index", "key", "true", "predicted", "confidence"), rows, "Surest mistakes", images)


def _thumbnail(image: Any) -> str:
    picture = Image.fromarray(image)
    picture.thumbnail((96, 96))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return f"<img alt='test image' src='data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}'>"


def _provenance(result: Result) -> list[Sequence[str]]:
    fields = ("weights_sha256", "fingerprint", "version", "device", "dtype", "threads", "batch_size", "seconds")
    values = {**{name: getattr(result, name) for name in fields}, **result.software, **result.contract, "seconds": f"{result.seconds:.1f}"}
    return [(name.replace("_", " "), ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)) for name, value in values.items()]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], title: str, images: list[str] | None = None) -> str:
    cells = ["".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in rows]
    body = "".join(f"<tr>{row}{f'<td>{images[number]}</td>' if images else ''}</tr>" for number, row in enumerate(cells))
    names = "".join(f"<th>{html.escape(name)}</th>" for name in (*head, *(("picture",) if images else ())))
    return f"<h2>{html.escape(title)}</h2><div class='wide'><table><tr>{names}</tr>{body}</table></div>"
