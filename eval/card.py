"""The card of a checkpoint this project trained, written from its stored results and its recipe, never by hand."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from poster.training import face_resnet
from poster.training.recipes import RECIPES

LIMITS = """\
- Research use only: the FER2013 pictures it learned from carry no open licence.
- It names the expression that ten people would most likely see in a picture. A face is not a feeling: it says nothing about what somebody feels,
  thinks or intends, and must not be used to judge people. Inferring emotions at work or in education is prohibited in the EU (AI Act, Art. 5(1)(f)).
- It learned from 48 x 48 grey pictures found by web search in 2013. Age, skin tone and culture are not balanced in them and were not measured.
- Rare expressions are its weak side; see the table. Contempt and disgust have so few test pictures that their intervals span tens of points.
- Profiles, hands before the face and faces smaller than about 40 pixels are outside what it saw.
"""


@dataclass(frozen=True)
class Stage:
    """One training run: its recipe as run, the rows of its log, and how strongly rare classes were favoured after it ({} for not at all)."""

    recipe: dict[str, Any]
    log: list[dict[str, str]]
    rare: dict[str, Any] = field(default_factory=dict)


def card(results: list[dict[str, Any]], stages: list[Stage], notes: str, size: int, parameters: int) -> str:
    """Markdown from result objects (as ``eval score --json`` prints them), the first of them the headline; stages: the training runs, each but
    the first started from the weights of the one before. A run of face_resnet is none of that row, but the tutor of the runs after it that have one,
    and where there already was a tutor, that one taken further.

    notes: what is in neither, such as how a run was interrupted. size: bytes of the weights file; parameters: numbers the network
    computes with. Raises ValueError when the results are of different weights.
    """
    main = results[0]
    if len({result["weights_sha256"] for result in results}) != 1:
        raise ValueError("the results belong to different weights")
    contract = main["contract"]
    what = (
        f"{len(contract['labels'])} expressions ({', '.join(contract['labels'])}) from a {contract['channels']} face of {contract['input_size']} pixels. "
        f"POSTER++ with both streams and all three cross-attention levels kept: {parameters / 1e6:.2f} M parameters, {size / 1e6:.1f} MB in float16, "
        f"computed in float32. sha256 `{main['weights_sha256']}`."
    )
    sections = [f"# {contract['architecture']}", what, "## Scores", _scores(results), f"Per class on {main['benchmark']}, {main['protocol']}:"]
    sections += [
        _per_class(main),
        "## Data and training",
        _training(contract, stages),
        notes.strip(),
        "![training curve of the last run](curve.svg)",
        _again([stage.recipe for stage in stages]),
    ]
    return "\n\n".join([*sections, "## Licence and limits", f"Weights: {contract['licence']}. Code: Apache-2.0.", LIMITS])


def _scores(results: list[dict[str, Any]]) -> str:
    rows = ["| benchmark | protocol | images | accuracy | 95 % interval | mean class accuracy | macro F1 | ECE |", "|---|---|---|---|---|---|---|---|"]
    for result in results:
        scores = {name: _percent(value, 2) for name, value in result["scores"].items()}
        cells = [result["benchmark"], result["protocol"], f"{result['num_images']:,}", scores["accuracy"], _span(result["intervals"]["accuracy"], 2)]
        rows.append("| " + " | ".join([*cells, scores["mean_class_accuracy"], scores["macro_f1"], scores["ece"]]) + " |")
    return "\n".join(rows)


def _per_class(result: dict[str, Any]) -> str:
    rows = ["| expression | pictures | recall | 95 % interval | precision |", "|---|---|---|---|---|"]
    for row in result["per_class"]:
        interval = _span(row["recall_interval"], 1) if row["recall_interval"] else "-"
        rows.append(f"| {row['label']} | {row['support']} | {_percent(row['recall'])} | {interval} | {_percent(row['precision'])} |")
    return "\n".join(rows)


def _training(contract: dict[str, Any], stages: list[Stage]) -> str:
    runs = []
    for number, stage in enumerate(stages):
        recipe, log = stage.recipe, stage.log
        hours = sum(float(row["seconds"]) for row in log) / 3600
        best = min(log, key=lambda row: float(row["loss"]))
        start = _began(recipe, number, any(_is_tutor(earlier.recipe) for earlier in stages[:number]))
        runs.append(
            f"{start} by the recipe {recipe['name']}, {len(log)} epochs in {hours:.1f} hours, best epoch {best['epoch']} "
            f"(PublicTest accuracy {_percent(float(best['accuracy']), 2)})" + _rare(stage.rare)
        )
    return (
        'FERPlus (FER2013 pictures, FER+ votes): Training rows with more votes for expressions than for "unknown" and "not a face", less every '
        "picture that stands pixel for pixel in PublicTest or PrivateTest. Epoch and temperature were chosen on PublicTest, never on PrivateTest. "
        f"Trained on two CPU cores {'; then '.join(runs)}; temperature {contract['temperature']}. The landmark stream first learned 68 points "
        "from POSTER's landmark network (none of whose weights are here) and was then frozen."
    )


def _began(recipe: dict[str, Any], number: int, tutored: bool) -> str:
    if _is_tutor(recipe) and tutored:
        return "the tutor again, from its own weights,"
    if _is_tutor(recipe):
        return "beside it a tutor, from dlib's face recognition network (public domain; nothing of it is here),"
    if recipe.get("tutor_share"):
        return f"from the student's weights under that tutor, whose answers had {_percent(recipe['tutor_share'], 0)} of the targets,"
    return "from its weights" if number else "from scratch"


def _is_tutor(recipe: dict[str, Any]) -> bool:
    return bool(recipe.get("architecture") == face_resnet.ARCHITECTURE)


def _rare(found: dict[str, Any]) -> str:
    """What favouring rare classes gave and cost on the validation split; empty where it was not done or a note tells of it."""
    if not found:
        return ""
    without, with_it = (next(row for row in found["tried"] if row["strength"] == strength) for strength in (0.0, found["strength"]))
    change = ", ".join(
        f"{name} from {_percent(without[key], 2)} to {_percent(with_it[key], 2)}"
        for name, key in (("accuracy", "accuracy"), ("mean class accuracy", "mean_class_accuracy"))
    )
    return f", rare classes favoured with strength {found['strength']:g}, the strongest that costs at most {_percent(found['cost'])} on PublicTest ({change})"


def _again(recipes: list[dict[str, Any]]) -> str:
    models = [f"runs/{number}/model.safetensors" for number in range(1, len(recipes) + 1)]
    lines = []
    for number, recipe in enumerate(recipes):
        earlier = [file for file, before in zip(models, recipes[:number], strict=False) if not _is_tutor(before)]
        tutors = [file for file, before in zip(models, recipes[:number], strict=False) if _is_tutor(before)]
        own, first = (tutors, "--backbone FACES") if _is_tutor(recipe) else (earlier, "--teacher FILE")
        source = f"--start {own[-1]}" if own else first
        if recipe.get("tutor_share"):
            source += f" --tutor {tutors[-1]}"
        lines.append(f"python -m poster train {recipe['name']} {source} --data DIR --out runs/{number + 1}{_changed(recipe)}")
    lines.append(f"python -m eval score {models[-1]} --benchmark ferplus --data DIR")
    commands = "\n".join(f"    {line}" for line in lines)
    files = ["FERPlus in `DIR`", "the landmark teacher's state dict in `FILE`"]
    if any(map(_is_tutor, recipes)):
        files.append("dlib_face_recognition_resnet_model_v1.dat of the package face_recognition_models in `FACES`")
    return f"""Again, with {", ".join(files[:-1])} and {files[-1]}:

{commands}

Every value of a run is in its `recipe.json`, every epoch in its `log.csv`; those of the second run end in `-2`, and so on."""


def _changed(recipe: dict[str, Any]) -> str:
    """The single values in which a run differed from the recipe of its name, as options."""
    if recipe["name"] not in RECIPES:
        return ""
    usual, run = (_flat(values) for values in (asdict(RECIPES[recipe["name"]]), recipe))
    return "".join(f" --set {key}={value}" for key, value in run.items() if key in usual and value != usual[key])


def _flat(recipe: dict[str, Any]) -> dict[str, int | float]:
    """The numbers of a recipe, those of its augmentation under the names that options give them."""
    inner = {f"augmentation.{key}": value for key, value in recipe.get("augmentation", {}).items()}
    return {key: value for key, value in (recipe | inner).items() if isinstance(value, int | float)}


def _span(interval: list[float], digits: int) -> str:
    return f"{100 * interval[0]:.{digits}f} to {100 * interval[1]:.{digits}f}"


def _percent(value: float | None, digits: int = 1) -> str:
    return "-" if value is None else f"{100 * value:.{digits}f} %"


def read_log(path: Path) -> list[dict[str, str]]:
    """``log.csv`` of a training run."""
    header, *rows = path.read_text().split()
    return [dict(zip(header.split(","), row.split(","), strict=True)) for row in rows]


def read_stages(folder: Path) -> list[Stage]:
    """recipe.json, log.csv and, if there, rare.json in ``folder``, then recipe-2.json and its companions, and so on as far as they go."""
    stages: list[Stage] = []
    ending = ""
    while (recipe := folder / f"recipe{ending}.json").is_file():
        rare = folder / f"rare{ending}.json"
        found = json.loads(rare.read_text()) if rare.is_file() else {}
        stages.append(Stage(json.loads(recipe.read_text()), read_log(folder / f"log{ending}.csv"), found))
        ending = f"-{len(stages) + 1}"
    return stages


def write_card(results: list[Path], folder: Path, weights: Path, parameters: int) -> str:
    """The card for ``weights`` from result files and from the recipes, logs and notes.txt in ``folder``."""
    objects = [json.loads(path.read_text()) for path in results]
    return card(objects, read_stages(folder), (folder / "notes.txt").read_text(), weights.stat().st_size, parameters)
