"""docs/heatmaps.md with its two pictures, and the command's table, from answers of ``eval heatmaps``; no number in them is typed in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from eval.heatmaps import BASELINES, FILLS, KINDS

WIDTH, HEIGHT, LEFT, TOP = 330, 220, 46, 28
# Okabe and Ito's colours, told apart by colour-blind eyes; baselines are dashed.
COLOURS = {
    "integrated": "#0072b2", "features": "#009e73", "landmarks": "#cc79a7", "attention": "#d55e00", "relevance": "#e69f00", "steering": "#56b4e9",
    "random": "#999999", "blobs": "#666666", "centre": "#000000",
}  # fmt: skip
HEADER = ("map", *(f"{kind}, {fill}" for fill in FILLS for kind in KINDS), "faithfulness", "landmark mass", "flip", "ms")


def summary(answer: dict[str, Any]) -> str:
    """The table for a terminal, and by how much the winner is ahead."""
    rows = [HEADER, *(cells(name, row) for name, row in answer["maps"].items())]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([about(answer), "", *lines, "", ahead(answer)])


def about(answer: dict[str, Any]) -> str:
    """Which model, which images."""
    part = {"test": "test part", "validation": "validation part"}[answer["part"]]
    software = answer["software"]
    return (
        f"{answer['architecture']} (sha256 {answer['weights_sha256'][:12]}) on {answer['num_images']} images of {answer['benchmark']}, {answer['protocol']}, "
        f"{part}, drawn with seed {answer['seed']}; {answer['steps']} steps; probabilities in {software['precision']} ({software['runtime']}), maps in float32."
    )


def cells(name: str, row: dict[str, Any]) -> tuple[str, ...]:
    """One line of the table; intervals in brackets."""
    curves = [_value(row[f"{kind}_auc_{fill}"]) for fill in FILLS for kind in KINDS]
    mass, flip = (_value(row.get(measure)) for measure in ("landmark_mass", "flip_consistency"))
    seconds = f"{1000 * row['seconds']:.0f}" if "seconds" in row else "-"
    return (name, *curves, _spanned(row["faithfulness"]), mass, flip, seconds)


def ahead(answer: dict[str, Any]) -> str:
    """The winner's lead over every other map, on the same images."""
    found = [f"{name} {_spanned(one)}" for name, one in answer["winner_ahead_by"].items()]
    return f"{answer['winner']} is ahead in faithfulness of " + ", ".join(found) + "."


def verdicts(answer: dict[str, Any]) -> str:
    """What each source is worth against what knows nothing: ahead, behind, or not told apart."""
    lines = []
    for name, leads in answer["ahead_of_baselines"].items():
        words = [f"{_standing(lead['interval'])} {baseline} ({_spanned(lead)})" for baseline, lead in leads.items()]
        lines.append(f"- {name}: {'; '.join(words)}")
    return "\n".join(lines)


def _standing(interval: list[float]) -> str:
    return "ahead of" if interval[0] > 0 else "behind" if interval[1] < 0 else "not told apart from"


def _value(found: dict[str, Any] | None) -> str:
    return "-" if found is None else f"{found['value']:.3f}"


def _spanned(found: dict[str, Any]) -> str:
    low, high = found["interval"]
    return f"{found['value']:.3f} [{low:.3f}, {high:.3f}]"


def table(answer: dict[str, Any]) -> str:
    """The same table in Markdown, best first."""
    ranked = sorted(answer["maps"].items(), key=lambda pair: -pair[1]["faithfulness"]["value"])
    rows = [" | ".join(cells(name if name not in BASELINES else f"*{name}*", row)) for name, row in ranked]
    return "\n".join([f"| {' | '.join(HEADER)} |", "|---" * len(HEADER) + "|", *(f"| {row} |" for row in rows)])


def randomisation_table(answer: dict[str, Any]) -> str:
    """Spearman's correlation with the learned model's maps, one column a part replaced."""
    block = answer["randomisation"]
    rows = [f"| {source} | " + " | ".join(f"{value:.2f}" for value in values) + " |" for source, values in block["correlation"].items()]
    return "\n".join(["| map | " + " | ".join(block["parts"]) + " |", "|---" * (1 + len(block["parts"])) + "|", *rows])


def page(choice: dict[str, Any], test: dict[str, Any]) -> str:
    """The whole page: ``choice`` measured on the validation part, on which the default was chosen, ``test`` on the test part."""
    fills = "; ".join(f"{name}: {what}" for name, what in test["fills"].items())
    baselines = "; ".join(f"*{name}*: {what}" for name, what in test["baselines"].items())
    area = "" if test["landmark_area"] is None else f" The parts cover {100 * test['landmark_area']:.1f} % of the picture, which is what a constant map gets."
    first, second = (_arguments(answer) for answer in (choice, test))
    return f"""# What the heatmaps are worth

{about(test)} The default, `{test["source"]}`, was chosen on {choice["num_images"]} other images (validation part); there {ahead(choice)}

On the test part {ahead(test)}

![curves](heatmaps.svg)

{table(test)}

Deletion: lower is better. Insertion: higher is better. Faithfulness: insertion minus deletion, mean over both fills, 95 % bootstrap interval in brackets
(images drawn within each true class). Differences are between maps of the same images. Times are for one picture alone on the CPU.

Against maps that know nothing ({baselines}):

{verdicts(test)}

## How it is measured

- Pixels are ranked by the map, equal ones in random order. Deletion replaces the first of them by the fill, a share of 1/{test["steps"]} a step;
  insertion starts from the fill and puts them back (Petsiuk et al. 2018). The number is the area under the probability of the class predicted on
  the whole image, trapezoid rule over the shares 0 to 1. Fills: {fills}. The integrated
  map starts from a picture as blurred as the first fill; the second fill is neutral.
- Landmark mass: the share of the map inside the convex hulls of brow and eye (left, right), nose and mouth, with a rim of 1/24 of the side. Landmarks:
  {test["landmarks"]}. The shipped model's landmark stream learned from that very network, so this measure is not
  independent of it.{area}
- Flip: Spearman's correlation of the map with that of the mirrored picture, mirrored back, same class.
- The maps show what the model reads, not whether it is right, and nothing about what a person feels. They were measured on this model; for other
  checkpoints run the command.

## Does the map depend on what was learned?

Weights are replaced by fresh ones from the head down, one part more in each column (Adebayo et al. 2018); Spearman's correlation with the learned
model's map, mean over {test["randomisation"]["num_images"]} images. A map that stays the same shows edges, not decisions.

{randomisation_table(test)}

## What they look like

Columns: {", ".join(test["ahead_of_baselines"])}. Rows: the face, all levels, level 0, 1, 2; the model's strongest expression on a public-domain photo.

![examples](heatmaps.jpg)

## The choice

{about(choice)}

{table(choice)}

## Again

    python -m eval heatmaps WEIGHTS --benchmark {choice["benchmark"]} --data DIR --part validation {first} --landmarks FILE \\
        --out docs/heatmaps-choice.json
    python -m eval heatmaps WEIGHTS --benchmark {test["benchmark"]} --data DIR {second} --landmarks FILE \\
        --out docs/heatmaps-test.json
    python -m eval heatmaps-page WEIGHTS docs/heatmaps-choice.json docs/heatmaps-test.json --out docs/heatmaps.md

FILE is the state dict of POSTER's landmark network (68 points); without it the landmark mass is left out.
"""


def _arguments(answer: dict[str, Any]) -> str:
    """The settings that repeat a measurement."""
    checked, precision = answer["randomisation"]["num_images"], answer["software"]["precision"]
    return f"--limit {answer['num_images']} --steps {answer['steps']} --seed {answer['seed']} --checked {checked} --dtype {precision}"


def curves_svg(answer: dict[str, Any]) -> str:
    """Mean deletion and insertion curves with the blurred fill, two panels."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * (WIDTH + LEFT) + 130} {HEIGHT + 60}" font-family="sans-serif" font-size="11" role="img">',
        '<title>Deletion and insertion curves</title><rect width="100%" height="100%" fill="#ffffff"/>',
    ]
    for panel, kind in enumerate(KINDS):
        x0 = LEFT + panel * (WIDTH + LEFT)
        parts.append(f'<text x="{x0}" y="18" font-size="13" fill="#222222">{kind}: probability of the predicted class</text>')
        for tick in range(6):
            y = TOP + HEIGHT * (1 - tick / 5)
            parts.append(f'<line x1="{x0}" x2="{x0 + WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="#dddddd"/>')
            parts.append(f'<text x="{x0 - 6}" y="{y + 4:.1f}" text-anchor="end" fill="#555555">{tick / 5:.1f}</text>')
        parts.append(f'<text x="{x0 + WIDTH}" y="{TOP + HEIGHT + 18}" text-anchor="end" fill="#555555">share of the pixels</text>')
        for line, (name, row) in enumerate(answer["maps"].items()):
            curve = row[f"{kind}_curve_blur"]
            points = " ".join(f"{x0 + WIDTH * share:.1f},{TOP + HEIGHT * (1 - p):.1f}" for share, p in zip(np.linspace(0, 1, len(curve)), curve, strict=True))
            dash = ' stroke-dasharray="5 4"' if name in BASELINES else ""
            parts.append(f'<polyline points="{points}" fill="none" stroke="{COLOURS[name]}" stroke-width="2"{dash}/>')
            if panel:
                parts.append(f'<text x="{x0 + WIDTH + 10}" y="{TOP + 12 + 18 * line}" fill="{COLOURS[name]}">{name}</text>')
    return "\n".join([*parts, "</svg>", ""])


def write_page(choice: dict[str, Any], test: dict[str, Any], examples: np.ndarray, out: Path) -> None:
    """``out`` (.md), and beside it the curves (.svg) and the examples (H, W, 3) uint8 (.jpg)."""
    from PIL import Image

    out.write_text(page(choice, test))
    out.with_suffix(".svg").write_text(curves_svg(test))
    Image.fromarray(examples).save(out.with_suffix(".jpg"), quality=88)
