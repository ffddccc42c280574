"""The card of a checkpoint this project trained, written from its stored results and its recipe, never by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

LIMITS = """\
- Research use only: the FER2013 pictures it learned from carry no open licence.
- It names the expression that ten people would most likely see in a picture. A face is not a feeling: it says nothing about what somebody feels,
  thinks or intends, and must not be used to judge people. Inferring emotions at work or in education is prohibited in the EU (AI Act, Art. 5(1)(f)).
- It learned from 48 x 48 grey pictures found by web search in 2013. Age, skin tone and culture are not balanced in them and were not measured.
- Rare expressions are its weak side; see the table. Contempt and disgust have so few test pictures that their intervals span tens of points.
- Profiles, hands before the face and faces smaller than about 40 pixels are outside what it saw.
"""


def card(results: list[dict[str, Any]], recipe: dict[str, Any], log: list[dict[str, str]], size: int, parameters: int) -> str:
    """Markdown from result objects (as ``eval score --json`` prints them), the first of them the headline; recipe and log of the run.

    size: bytes of the weights file; parameters: numbers the network computes with.
    """
    main = results[0]
    if len({result["weights_sha256"] for result in results}) != 1:
        raise ValueError("the results belong to different weights")
    contract = main["contract"]
    best = max(log, key=lambda row: float(row["accuracy"]))
    hours = sum(float(row["seconds"]) for row in log) / 3600
    lines = [
        f"# {contract['architecture']}",
        "",
        f"{len(contract['labels'])} expressions ({', '.join(contract['labels'])}) from a {contract['channels']} face of {contract['input_size']} pixels. POSTER++ with "
        f"both streams and all three cross-attention levels kept, {parameters / 1e6:.2f} M parameters, {size / 1e6:.1f} MB in float16, computed in float32. sha256 `{main['weights_sha256']}`.",
        "",
        "## Scores",
        "",
        "| benchmark | protocol | images | accuracy | 95 % interval | mean class accuracy | macro F1 | ECE |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for result in results:
        scores, (low, high) = result["scores"], result["intervals"]["accuracy"]
        lines.append(
            f"| {result['benchmark']} | {result['protocol']} | {result['num_images']:,} | {100 * scores['accuracy']:.2f} % "
            f"| {100 * low:.2f} to {100 * high:.2f} | {100 * scores['mean_class_accuracy']:.2f} % | {100 * scores['macro_f1']:.2f} % | {100 * scores['ece']:.2f} % |"
        )
    lines += ["", f"Per class on {main['benchmark']}, {main['protocol']}:", ""]
    lines += ["| expression | pictures | recall | 95 % interval | precision |", "|---|---|---|---|---|"]
    for row in main["per_class"]:
        interval = f"{100 * row['recall_interval'][0]:.1f} to {100 * row['recall_interval'][1]:.1f}" if row["recall_interval"] else "-"
        lines.append(f"| {row['label']} | {row['support']} | {_percent(row['recall'])} | {interval} | {_percent(row['precision'])} |")
    lines += [
        "",
        "## Data and training",
        "",
        "FERPlus (FER2013 pictures, FER+ votes): Training rows with more votes for expressions than for \"unknown\" and \"not a face\", "
        "less every picture that stands pixel for pixel in PublicTest or PrivateTest. The epoch and the temperature "
        f"({contract['temperature']}) were chosen on PublicTest; PrivateTest was scored once, at the end. Trained from scratch: "
        f"{recipe['epochs']} epochs, {hours:.1f} hours on two CPU cores, best epoch {best['epoch']} (PublicTest accuracy {100 * float(best['accuracy']):.2f} %).",
        "The landmark stream first learned 68 points from POSTER's landmark network (none of whose weights are here) and was then frozen.",
        "",
        "![training curve](curve.svg)",
        "",
        "Again, with FERPlus in `DIR` and the teacher's state dict in `FILE`:",
        "",
        f"    python -m poster train {recipe['name']} --data DIR --teacher FILE --out runs/{recipe['name']}",
        f"    python -m eval score runs/{recipe['name']}/model.safetensors --benchmark ferplus --data DIR",
        "",
        "Every value of the run is in `recipe.json`, every epoch in `log.csv`.",
        "",
        "## Licence and limits",
        "",
        f"Weights: {contract['licence']}. Code: Apache-2.0.",
        "",
        LIMITS,
    ]  # fmt: skip
    return "\n".join(lines)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def read_log(path: Path) -> list[dict[str, str]]:
    """``log.csv`` of a training run."""
    header, *rows = path.read_text().split()
    return [dict(zip(header.split(","), row.split(","), strict=True)) for row in rows]


def write_card(results: list[Path], folder: Path, weights: Path, parameters: int) -> str:
    """The card for ``weights`` from result files and from recipe.json and log.csv in ``folder``."""
    objects = [json.loads(path.read_text()) for path in results]
    return card(objects, json.loads((folder / "recipe.json").read_text()), read_log(folder / "log.csv"), weights.stat().st_size, parameters)
