"""The runs that led to a checkpoint, told in words and as the commands that repeat them, from what each run left."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from poster.training.ancestry import Ancestry
from poster.training.faces import FACES
from poster.training.recipes import RECIPES


@dataclass(frozen=True)
class Stage:
    """One training run: its recipe as run, what it was made from, the rows of its log (none for a mean of weights), and how, after it, a bias was fitted
    and rare classes were favoured ({} for not at all)."""

    recipe: dict[str, Any]
    made_from: Ancestry
    log: list[dict[str, str]]
    rare: dict[str, Any] = field(default_factory=dict)
    bias: dict[str, Any] = field(default_factory=dict)


def runs(stages: list[Stage]) -> str:
    """A numbered list. Raises ValueError where a run was made from what no run before it made."""
    return "\n".join(f"{number}. {_run(stage, stages[: number - 1])}" for number, stage in enumerate(stages, start=1))


def _run(stage: Stage, before: list[Stage]) -> str:
    """A run in words: its recipe, what it went on from and under, how long it took, its best epoch."""
    recipe, made_from = stage.recipe, stage.made_from
    starts, tutors = _numbers(made_from.start, before), _numbers(made_from.tutor, before)
    if starts:
        start = f"from run {starts[0]}" if len(starts) == 1 else f"from the mean of the weights of runs {_listed(starts)}"
    else:
        start = "from scratch"
        if face := FACES.get(recipe["architecture"]):
            start = f"a tutor, from {face.published} ({face.licence}; nothing of it is here)"
    asked = " to the pictures as they are" if recipe.get("tutor_plain") else ""
    share = f"whose answers{asked} had {percent(recipe['tutor_share'], 0)} of the targets" if tutors else ""
    under = f", under run{'s' * (len(tutors) > 1)} {_listed(tutors)}, {share}" if tutors else ""
    if stage.log:
        best, hours = min(stage.log, key=lambda row: float(row["loss"])), sum(float(row["seconds"]) for row in stage.log) / 3600
        took = f"{len(stage.log)} epochs in {hours:.1f} hours, best epoch {best['epoch']} (PublicTest accuracy {percent(float(best['accuracy']), 2)})"
    else:
        took = "no epoch"
    return f"{recipe['name']}, {start}{under}: {took}{_bias(stage.bias)}{_rare(stage.rare)}."


def _numbers(files: tuple[str, ...], before: list[Stage]) -> list[int]:
    """The runs, counted from 1, that made the files of these sha256."""
    made = {stage.made_from.weights: number for number, stage in enumerate(before, start=1)}
    if missing := [file for file in files if file not in made]:
        raise ValueError(f"run {len(before) + 1} was made from weights that no run before it made: {', '.join(missing)}")
    return [made[file] for file in files]


def _listed(numbers: list[int]) -> str:
    *first, last = map(str, numbers)
    return f"{', '.join(first)} and {last}" if first else last


def _rare(found: dict[str, Any]) -> str:
    """What favouring rare classes gave and cost on the validation split; empty where it was not done or a note tells of it."""
    if not found:
        return ""
    if not found["strength"]:
        return f", rare classes not favoured, since the weakest way to do it costs more than {percent(found['cost'])} on PublicTest"
    change = _change(found["tried"], "strength", 0.0, found["strength"])
    return f", rare classes favoured with strength {found['strength']:g}, the strongest that costs at most {percent(found['cost'])} on PublicTest ({change})"


def _bias(found: dict[str, Any]) -> str:
    """What fitting the bias gave on the validation split, cross-validated; empty where it was not done."""
    if not found:
        return ""
    if found["penalty"] is None:
        return f", the bias not fitted, since on PublicTest it gains nothing or costs more than {percent(found['cost'])} of mean class accuracy"
    change = _change(found["tried"], "penalty", None, found["penalty"])
    without, with_it = (next(row["loss"] for row in found["tried"] if row["penalty"] == penalty) for penalty in (None, found["penalty"]))
    gained = f"cross-entropy from {without:.4f} to {with_it:.4f}, {change}"
    return f", the head's bias fitted to PublicTest's labels with penalty {found['penalty']:g} (cross-validated there: {gained})"


def _change(tried: list[dict[str, Any]], key: str, before: float | None, after: float) -> str:
    without, with_it = (next(row for row in tried if row[key] == value) for value in (before, after))
    names = {"accuracy": "accuracy", "mean class accuracy": "mean_class_accuracy"}
    return ", ".join(f"{name} from {percent(without[key], 2)} to {percent(with_it[key], 2)}" for name, key in names.items())


def commands(stages: list[Stage]) -> str:
    """What repeats them, one after the other, and scores the last."""
    lines = []
    for number, stage in enumerate(stages, start=1):
        made_from, before = stage.made_from, stages[: number - 1]
        given = [f"--start {_model(start)}" for start in _numbers(made_from.start, before)] + [
            f"--tutor {_model(run)}" for run in _numbers(made_from.tutor, before)
        ]
        given += ["--teacher FILE"] * bool(made_from.teacher) + [f"--backbone {stage.recipe['architecture'].upper()}"] * bool(made_from.backbone)
        lines.append(" ".join([f"python -m poster train {stage.recipe['name']}", *given, f"--data DIR --out runs/{number}"]) + _changed(stage.recipe))
    lines.append(f"python -m eval score {_model(len(stages))} --benchmark ferplus --data DIR")
    files = ["FERPlus in `DIR`", "the landmark teacher's state dict in `FILE`"]
    pretrained = {stage.recipe["architecture"] for stage in stages if stage.made_from.backbone}
    files += [f"{face.file} in `{name.upper()}`" for name, face in FACES.items() if name in pretrained]
    return f"""Again, with {", ".join(files[:-1])} and {files[-1]}:

{chr(10).join(f"    {line}" for line in lines)}

Every value of a run is in its `recipe.json`, every epoch in its `log.csv`, what it was made from in its `ancestry.json`;
those of the second run end in `-2`, and so on."""


def _model(number: int) -> str:
    return f"runs/{number}/model.safetensors"


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


def read_log(path: Path) -> list[dict[str, str]]:
    """``log.csv`` of a training run, no rows where it is not there."""
    header, *rows = path.read_text().split() if path.is_file() else [""]
    return [dict(zip(header.split(","), row.split(","), strict=True)) for row in rows]


def read_stages(folder: Path) -> list[Stage]:
    """recipe.json, ancestry.json and, if there, log.csv, rare.json and bias.json in ``folder``, then recipe-2.json and its companions, and so on."""
    stages: list[Stage] = []
    ending = ""
    while (recipe := folder / f"recipe{ending}.json").is_file():
        rare, bias = (json.loads(file.read_text()) if (file := folder / f"{name}{ending}.json").is_file() else {} for name in ("rare", "bias"))
        made_from = Ancestry.read(folder / f"ancestry{ending}.json")
        stages.append(Stage(json.loads(recipe.read_text()), made_from, read_log(folder / f"log{ending}.csv"), rare, bias))
        ending = f"-{len(stages) + 1}"
    return stages


def percent(value: float | None, digits: int = 1) -> str:
    """A share as per cent, "-" where it is not known."""
    return "-" if value is None else f"{100 * value:.{digits}f} %"
