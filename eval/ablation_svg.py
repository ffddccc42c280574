"""The pictures of the ablation: curves over the epochs, and who leads by how much."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eval.ablation import LINEAR, Estimate
from poster.training.record import Record

WIDTH, HEIGHT, LEFT, TOP, ROW = 330, 220, 50, 28, 24
# Okabe and Ito's colours, told apart by colour-blind eyes.
COLOURS = ("#000000", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#999999")
OTHER = "#555555"  # of a row that is no arm
LETTER = 6.5  # pixels, of the rows' names
Panel = tuple[str, str]  # title, column of the curves
HEADS: tuple[Panel, ...] = (
    ("validation accuracy", "accuracy"),
    ("Spearman: norm of the fused feature, quality", "spearman_fused"),
    ("Spearman: norm of the image feature, quality", "spearman_image"),
)
FUSIONS: tuple[Panel, ...] = (("validation accuracy", "accuracy"), ("validation cross-entropy", "loss"), ("training cross-entropy", "train_loss"))
Lead = tuple[str, Estimate | None]  # an arm, or another row's words, and how far ahead it is


def picture(title: str, panels: Sequence[Panel], leads: Sequence[Lead], records: Sequence[Record]) -> str:
    """The text of an SVG file: curves of the arms among ``leads``, means over the seeds, and below them the leads with their intervals."""
    arms = {record.arm for record in records}
    names = [name for name, _ in leads if name in arms]
    colour = {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(names)}
    across, forest = len(panels) * (WIDTH + LEFT) + 30, TOP + HEIGHT + 60
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {across} {forest + 60 + ROW * len(leads)}" font-family="sans-serif" font-size="11" role="img">',
        f'<title>{title}</title><rect width="100%" height="100%" fill="#ffffff"/>',
    ]
    for number, (heading, column) in enumerate(panels):
        curves = {name: np.mean([record.curve[column] for record in records if record.arm == name], axis=0) for name in names}
        parts += _panel(LEFT + number * (WIDTH + LEFT), heading, curves, colour)
    return "\n".join([*parts, *_leads(leads, colour, forest, across), "</svg>", ""])


def _panel(x0: int, title: str, curves: dict[str, np.ndarray], colour: dict[str, str]) -> list[str]:
    low, high = float(min(map(np.min, curves.values()))), float(max(map(np.max, curves.values())))
    low, span = (low, high - low) if high > low else (low - 0.5, 1.0)  # what stays the same lies in the middle
    parts = [f'<text x="{x0}" y="18" font-size="13" fill="#222222">{title}</text>']
    for tick in range(5):
        height = TOP + HEIGHT * (1 - tick / 4)
        parts.append(f'<line x1="{x0}" x2="{x0 + WIDTH - 20}" y1="{height:.1f}" y2="{height:.1f}" stroke="#dddddd"/>')
        parts.append(f'<text x="{x0 - 6}" y="{height + 4:.1f}" text-anchor="end" fill="#555555">{low + span * tick / 4:.3g}</text>')
    for name, values in curves.items():
        x = x0 + (WIDTH - 20) * np.arange(len(values)) / max(len(values) - 1, 1)
        y = TOP + HEIGHT * (1 - (values - low) / span)
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour[name]}" stroke-width="2"><title>{name}</title></polyline>')
        parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="2" fill="{colour[name]}"/>' for a, b in zip(x, y, strict=True)]
    epochs = len(next(iter(curves.values())))
    return [*parts, f'<text x="{x0 + WIDTH - 20}" y="{TOP + HEIGHT + 18}" text-anchor="end" fill="#555555">epoch {epochs}</text>']


def _leads(leads: Sequence[Lead], colour: dict[str, str], top: int, across: int) -> list[str]:
    """A row a lead: an arm's name in its colour, which is the legend of the curves too, and how far ahead it is with the 95 % interval."""
    known = [one for _, one in leads if one]
    reach = 100 * max(max(abs(one.low), abs(one.high)) for one in known) or 1.0
    left = LEFT + 20 + LETTER * max(len(name) for name, _ in leads)
    middle, half = (left + across - 30) / 2, (across - 30 - left) / 2
    bottom = top + 20 + ROW * len(leads)
    parts = [
        f'<text x="{LEFT}" y="{top}" font-size="13" fill="#222222">points of test accuracy ahead of the arm {LINEAR}, with 95 % intervals</text>',
        f'<line x1="{middle}" x2="{middle}" y1="{top + 10}" y2="{bottom}" stroke="#999999" stroke-dasharray="3 3"/>',
    ]
    for number, (name, ahead) in enumerate(leads):
        y, ink = top + 26 + ROW * number, colour.get(name, OTHER)
        parts.append(f'<text x="{LEFT}" y="{y + 4}" fill="{ink}">{name}</text>')
        if ahead:
            low, value, high = (middle + half * 100 * at / reach for at in (ahead.low, ahead.value, ahead.high))
            parts.append(f'<line x1="{max(low, left):.1f}" x2="{high:.1f}" y1="{y}" y2="{y}" stroke="{ink}" stroke-width="2"/>')
            parts.append(f'<circle cx="{value:.1f}" cy="{y}" r="4" fill="{ink}"><title>{name} {100 * ahead.value:+.2f}</title></circle>')
    for share in (-1, 0, 1):
        parts.append(f'<text x="{middle + share * half:.1f}" y="{bottom + 14}" text-anchor="middle" fill="#555555">{share * reach:+.1f}</text>')
    return parts
