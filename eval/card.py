"""The card of a checkpoint this project trained, written from its stored results and its recipe, never by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from eval.lineage import Stage, commands, percent, read_stages, runs

MIRROR = "The face and its mirror image go through it; the answer is the mean of their logits. "
LIMITS = """\
- Research use only: the FER2013 pictures it learned from carry no open licence.
- It names the expression that ten people would most likely see in a picture. A face is not a feeling: it says nothing about what somebody feels,
  thinks or intends, and must not be used to judge people. Inferring emotions at work or in education is prohibited in the EU (AI Act, Art. 5(1)(f)).
- It learned from 48 x 48 grey pictures found by web search in 2013. Age, skin tone and culture are not balanced in them and were not measured.
- Rare expressions are its weak side; see the table. Contempt and disgust have so few test pictures that their intervals span tens of points.
- Profiles, hands before the face and faces smaller than about 40 pixels are outside what it saw.
"""


def card(results: list[dict[str, Any]], stages: list[Stage], notes: str, size: int, parameters: int) -> str:
    """Markdown from result objects (as ``eval score --json`` prints them), the first of them the headline, and the training runs that led to them.

    notes: what is in neither, such as how a run was interrupted. size: bytes of the weights file; parameters: numbers the network
    computes with. Raises ValueError when the results are of different weights or of others than the last run made.
    """
    main = results[0]
    if len({result["weights_sha256"] for result in results}) != 1:
        raise ValueError("the results belong to different weights")
    if stages and stages[-1].made_from.weights != main["weights_sha256"]:
        raise ValueError(f"the last run made {stages[-1].made_from.weights}, and the results belong to {main['weights_sha256']}")
    contract = main["contract"]
    what = (
        f"{len(contract['labels'])} expressions ({', '.join(contract['labels'])}) from a {contract['channels']} face of {contract['input_size']} pixels. "
        f"POSTER++ with both streams and all three cross-attention levels kept: {parameters / 1e6:.2f} M parameters, {size / 1e6:.1f} MB in float16, "
        f"computed in float32. {MIRROR if contract.get('mirror') else ''}sha256 `{main['weights_sha256']}`."
    )
    sections = [f"# {contract['architecture']}", what, "## Scores", _scores(results), f"Per class on {main['benchmark']}, {main['protocol']}:"]
    sections += [
        _per_class(main),
        "## Data and training",
        _training(contract["temperature"], stages),
        notes.strip(),
        "![training curve of the last run that had epochs](curve.svg)",
        commands(stages),
    ]
    return "\n\n".join([*sections, "## Licence and limits", f"Weights: {contract['licence']}. Code: Apache-2.0.", LIMITS])


def _scores(results: list[dict[str, Any]]) -> str:
    rows = ["| benchmark | protocol | images | accuracy | 95 % interval | mean class accuracy | macro F1 | ECE |", "|---|---|---|---|---|---|---|---|"]
    for result in results:
        scores = {name: percent(value, 2) for name, value in result["scores"].items()}
        cells = [result["benchmark"], result["protocol"], f"{result['num_images']:,}", scores["accuracy"], _span(result["intervals"]["accuracy"], 2)]
        rows.append("| " + " | ".join([*cells, scores["mean_class_accuracy"], scores["macro_f1"], scores["ece"]]) + " |")
    return "\n".join(rows)


def _per_class(result: dict[str, Any]) -> str:
    rows = ["| expression | pictures | recall | 95 % interval | precision |", "|---|---|---|---|---|"]
    for row in result["per_class"]:
        interval = _span(row["recall_interval"], 1) if row["recall_interval"] else "-"
        rows.append(f"| {row['label']} | {row['support']} | {percent(row['recall'])} | {interval} | {percent(row['precision'])} |")
    return "\n".join(rows)


def _training(temperature: float, stages: list[Stage]) -> str:
    return f"""FERPlus (FER2013 pictures, FER+ votes): Training rows with more votes for expressions than for "unknown" and "not a face", less every \
picture that stands pixel for pixel in PublicTest or PrivateTest. Epoch and temperature were chosen on PublicTest, never on PrivateTest. The landmark stream \
first learned 68 points from POSTER's landmark network (none of whose weights are here) and was then frozen. The runs, on two CPU cores:

{runs(stages)}

The temperature of the last is {temperature}."""


def _span(interval: list[float], digits: int) -> str:
    return f"{100 * interval[0]:.{digits}f} to {100 * interval[1]:.{digits}f}"


def write_card(results: list[Path], folder: Path, weights: Path, parameters: int) -> str:
    """The card for ``weights`` from result files and from the recipes, logs and notes.txt in ``folder``."""
    objects = [json.loads(path.read_text()) for path in results]
    return card(objects, read_stages(folder), (folder / "notes.txt").read_text(), weights.stat().st_size, parameters)
