"""A run as small SVG pictures: losses and validation scores over the epochs of its log, and the confusion matrix at its end."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

WIDTH, HEIGHT, LEFT, TOP = 330, 200, 46, 28
COLOURS = ("#0072b2", "#d55e00")
PANELS = (
    ("cross-entropy", ("train_loss", "loss"), ("training, augmented", "validation")),
    ("validation score", ("accuracy", "mean_class_accuracy"), ("accuracy", "mean class accuracy")),
)


def curve(log: Path) -> str:
    """The text of an SVG file drawn from ``log.csv``; two panels side by side, at least one epoch.

    A dashed line marks the epoch with the lowest validation loss, whose weights are kept.
    """
    rows = list(csv.DictReader(log.read_text().splitlines()))
    epochs = [float(row["epoch"]) for row in rows]
    best = float(min(rows, key=lambda row: float(row["loss"]))["epoch"])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * (WIDTH + LEFT) + 30} {HEIGHT + 72}" font-family="sans-serif" font-size="11" role="img">',
        '<title>Training curve</title><rect width="100%" height="100%" fill="#ffffff"/>',
    ]
    for panel, (title, columns, names) in enumerate(PANELS):
        x0 = LEFT + panel * (WIDTH + LEFT + 10)
        series = [[float(row[column]) for row in rows] for column in columns]
        low, high = min(map(min, series)), max(map(max, series))
        span = (high - low) or 1.0
        parts.append(f'<text x="{x0}" y="18" font-size="13" fill="#222222">{title}</text>')
        for tick in range(5):
            value = low + span * tick / 4
            y = TOP + HEIGHT * (1 - tick / 4)
            parts.append(f'<line x1="{x0}" x2="{x0 + WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="#dddddd"/>')
            parts.append(f'<text x="{x0 - 6}" y="{y + 4:.1f}" text-anchor="end" fill="#555555">{value:.3g}</text>')
        chosen = x0 + WIDTH * (best - epochs[0]) / max(epochs[-1] - epochs[0], 1)
        parts.append(f'<line x1="{chosen:.1f}" x2="{chosen:.1f}" y1="{TOP}" y2="{TOP + HEIGHT}" stroke="#999999" stroke-dasharray="3 3"/>')
        for colour, values, name, line in zip(COLOURS, series, names, (0, 1), strict=True):
            across = [x0 + WIDTH * (epoch - epochs[0]) / max(epochs[-1] - epochs[0], 1) for epoch in epochs]
            points = " ".join(f"{x:.1f},{TOP + HEIGHT * (1 - (value - low) / span):.1f}" for x, value in zip(across, values, strict=True))
            parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
            parts += [
                f'<circle cx="{x:.1f}" cy="{y}" r="2.5" fill="{colour}"/>' for x, y in zip(across, (p.split(",")[1] for p in points.split()), strict=True)
            ]
            parts.append(f'<text x="{x0 + line * 140}" y="{TOP + HEIGHT + 36}" fill="{colour}">{name}</text>')
        parts.append(f'<text x="{x0 + WIDTH}" y="{TOP + HEIGHT + 18}" text-anchor="end" fill="#555555">epoch {epochs[-1]:.0f}</text>')
        parts.append(f'<text x="{x0}" y="{TOP + HEIGHT + 18}" fill="#555555">dashed: the epoch kept, {best:.0f}</text>')
    return "\n".join([*parts, "</svg>", ""])


def confusion_picture(matrix: np.ndarray, labels: tuple[str, ...]) -> str:
    """The text of an SVG file: counts (K, K), rows the labels, shaded by the share of their row."""
    cell, left, top = 58, 90, 84  # the names stand askew over the columns, the last one beyond its own
    width, height = left + cell * len(labels) + 40, top + cell * len(labels) + 10
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12" role="img">',
        '<title>Confusion matrix</title><rect width="100%" height="100%" fill="#ffffff"/>',
        f'<text x="{left}" y="16" font-size="13" fill="#222222">labels down, predictions across</text>',
    ]
    for i, label in enumerate(labels):
        x, y = left + cell * (i + 0.5), top + cell * (i + 0.5) + 4
        parts.append(f'<text x="{left - 8}" y="{y}" text-anchor="end" fill="#222222">{label}</text>')
        parts.append(f'<text transform="translate({x},{top - 8}) rotate(-35)" fill="#222222">{label}</text>')
        for j in range(len(labels)):
            ink = "#ffffff" if share[i, j] > 0.55 else "#222222"
            place = f'x="{left + cell * j}" y="{top + cell * i}" width="{cell}" height="{cell}"'
            parts.append(f'<rect {place} fill="#0072b2" fill-opacity="{share[i, j]:.3f}" stroke="#dddddd"/>')
            parts.append(f'<text x="{left + cell * (j + 0.5)}" y="{y}" text-anchor="middle" fill="{ink}">{matrix[i, j]}</text>')
    return "\n".join([*parts, "</svg>", ""])
