"""docs/ablation.md and its picture from the comparison and the records; no number in them is typed in, and the answer follows from the intervals."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eval.ablation import LINEAR, Ablation, Arm, Estimate
from eval.ablation_svg import picture
from poster.training.arms import BASE, COMPARED
from poster.training.record import Record

ALPHA = 0.05
FOLLOWS = 0.3  # Spearman's correlation from which a norm is said to follow quality; AdaFace's paper shows about 0.5 for its own
HEADER = ("head", "accuracy %", "mean class accuracy %", "ECE %", "ECE, scaled %", "ahead of linear, points", "p, Holm", "norm and quality: fused", "image")


def cells(arm: Arm) -> tuple[str, ...]:
    """One line of the table."""
    ahead = ("-", "-") if arm.ahead is None or arm.holm is None else (_points(arm.ahead), f"{arm.holm:.3f}")
    accuracy = f"{100 * arm.accuracy.value:.2f} [{100 * arm.accuracy.low:.2f}, {100 * arm.accuracy.high:.2f}]"
    shares = (f"{100 * value:.1f}" for value in (arm.mean_class_accuracy, arm.ece, arm.ece_scaled))
    return (arm.name, accuracy, *shares, *ahead, *(f"{arm.correlation[feature][0]:+.2f}" for feature in ("fused", "image")))


def _points(one: Estimate) -> str:
    return f"{100 * one.value:+.2f} [{100 * one.low:+.2f}, {100 * one.high:+.2f}]"


def table(found: Ablation) -> str:
    """Markdown, in the order of the arms."""
    rows = [" | ".join(cells(arm)) for arm in found.arms]
    return "\n".join([f"| {' | '.join(HEADER)} |", "|---" * len(HEADER) + "|", *(f"| {row} |" for row in rows)])


def better(found: Ablation) -> list[Arm]:
    """Heads with a margin whose lead over the linear one is beyond chance, all heads considered: these become recipes."""
    return [arm for arm in found.arms if arm.ahead and arm.holm is not None and arm.margin and arm.holm < ALPHA and arm.ahead.value > 0]


def answer(found: Ablation) -> str:
    """Does a quality-adaptive margin help, and if not, why: sentences chosen by the intervals."""
    adaptive = [arm for arm in found.arms if arm.kind == "adaface"]
    sentences = [
        _against_linear(adaptive, "a quality-adaptive margin"),
        _against_linear([arm for arm in found.arms if arm.kind in ("arcface", "cosface") and arm.margin], "a fixed margin"),
    ]
    sentences += [_adaptive_against_fixed(found), _norms(adaptive)]
    if not better(found):
        sentences.append("So no head with a margin becomes a recipe of its own.")
    else:
        sentences.append(f"{_and([arm.name for arm in better(found)])} lead{'s' if len(better(found)) == 1 else ''} beyond chance and may become a recipe.")
    return " ".join(sentence for sentence in sentences if sentence)


def _against_linear(arms: Sequence[Arm], what: str) -> str:
    if not arms:
        return ""
    told = [(arm, arm.ahead) for arm in arms if arm.ahead and arm.holm is not None and arm.holm < ALPHA]
    up, down = ([f"{arm.name} ({_points(ahead)})" for arm, ahead in told if (ahead.value > 0) == wanted] for wanted in (True, False))
    rest = [f"{arm.name} ({_points(arm.ahead)})" for arm in arms if arm.ahead and arm.holm is not None and arm.holm >= ALPHA]
    parts = [f"{_and(names)} {word} the linear head" for names, word in ((up, "beat"), (down, "fall behind")) if names]
    if rest:
        parts.append(f"{_and(rest)} cannot be told apart from {'it' if parts else 'the linear head'}")
    verdict = "helps here" if up else "does not help here" if down else "makes no difference that this many pictures and seeds could show"
    return f"{what[0].upper()}{what[1:]} {verdict}: {'; '.join(parts)}, in points of accuracy."


def _adaptive_against_fixed(found: Ablation) -> str:
    if not found.pairs:
        return ""
    told = [f"{one} is {'ahead of' if each.value > 0 else 'behind'} {other} ({_points(each)})" for one, other, each, p in found.pairs if p < ALPHA]
    if told:
        return f"Adapting the margin to the norm matters against a fixed one of the same scale: {'; '.join(told)}."
    widest = max(max(abs(each.low), abs(each.high)) for _, _, each, _ in found.pairs)
    return f"Adapting the margin to the norm makes no visible difference to a fixed one of the same scale: all intervals lie within {100 * widest:.1f} points."


def _norms(adaptive: Sequence[Arm]) -> str:
    if not adaptive:
        return ""
    sentences = []
    for feature, what in (("fused", "fused feature, which the head reads,"), ("image", "image stream's feature")):
        mean = sum(arm.correlation[feature][0] for arm in adaptive) / len(adaptive)
        low, high = min(arm.correlation[feature][1] for arm in adaptive), max(arm.correlation[feature][2] for arm in adaptive)
        follows = "follows" if mean >= FOLLOWS else "runs against" if mean <= -FOLLOWS else "hardly knows"
        sentences.append(f"the norm of the {what} {follows} the picture's quality (Spearman {mean:+.2f}, {low:+.2f} to {high:+.2f} over these runs)")
    return f"Under the adaptive heads {sentences[0]}; {sentences[1]}."


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def page(found: Ablation, records: Sequence[Record], folder: str, image: str) -> str:
    """The whole page; ``folder`` holds the records, ``image`` is the picture's name."""
    first = records[0]
    recipe, seeds = first.recipe, ", ".join(map(str, found.seeds))
    pictures = recipe["batch_size"] * recipe["steps"] if recipe["steps"] else None
    budget = f"{recipe['epochs']} epochs of {'all training pictures' if pictures is None else f'{pictures:,} pictures'}"
    settings = {"votes": "the annotators' votes", "labels": "the class with the most votes", "poster": "the class with the most votes"}
    return f"""# Does a margin help?

{answer(found)}

{table(found)}

{len(found.arms)} heads, seeds {seeds}, {found.num_images:,} test pictures (FERPlus, PrivateTest, majority rule). In brackets 95 % intervals. A picture's and a
seed's chance are both counted: the variance of a mean is that of the seeds' means over the number of seeds plus that of the pictures' means over the
number of pictures, with Student's t and Satterthwaite's degrees of freedom; differences are taken picture by picture and seed by seed first.
p: of no difference to the linear head, corrected for the number of heads (Holm 1979). ECE: 15 bins, of the probabilities as they are, and after one
temperature a run fitted to the validation split. Norm and quality: Spearman's correlation after the last epoch, mean over the seeds.

![Curves]({image})

## What was compared

One network (`{recipe["architecture"]}`{_options(first.model)}), {budget}, batches of {recipe["batch_size"]}, {recipe["optimizer"]}, rate {recipe["lr"]:g};
every arm learns {settings[recipe["target"]]}. An arm is a head and nothing else (`poster/training/arms.py`). All runs of a seed begin with the same weights
but for the head and see the same pictures in the same order, varied alike. The weights after the last epoch count: nothing is chosen, so nothing is chosen
in any arm's favour, and the test split is read once, at the end. Learning rate and augmentation were made for the linear head with soft votes; a head with
a margin might want others.

{_streams(first)}

Quality is that of `poster/quality.py`, without a reference: of pictures that all have 48 pixels only the sharpness is left. The curves are drawn from
{"all" if not first.sample else f"{first.sample:,}"} pictures of the validation split, the same in every run.

## Again

    {command(records, folder)}
    python -m eval ablation {folder} --out docs/{Path(image).stem}.md

The first line takes hours without a GPU; with `--minutes M` it fits the steps to the time there is. Every number above is computed from the files in
`{folder}`: one a run, with the log-probabilities of each test and validation picture (line of fer2013.csv), the curve and the whole recipe.
"""


def _options(model: Mapping[str, Any]) -> str:
    return f" with {', '.join(f'{key} {value}' for key, value in model.items())}" if model else ""


def _streams(record: Record) -> str:
    if record.streams:
        return f"""The streams are held: those of {record.streams} feed every arm, and only the fusion and the head learn.
That is what makes so many runs affordable, and it is a bias: the image stream was taught under a linear head with soft votes, so no margin had a part
in the features, and the norm of the image stream's feature is the same in all arms. What the table tells is what a margin does to the fusion on top of
good features; that it might shape better streams is not tested."""
    share = record.recipe["auxiliary"]
    also = f" A second, linear loss of weight {share:g} on the image stream teaches it in every arm." if share else ""
    return f"Every arm trains its image stream from random weights; the landmark stream is held as its teacher left it, and never saw an expression.{also}"


def command(records: Sequence[Record], folder: str) -> str:
    """The line that repeats the records: what differs from the command's defaults."""
    first = records[0]
    arms, seeds = ",".join(dict.fromkeys(record.arm for record in records)), ",".join(dict.fromkeys(str(record.seed) for record in records))
    words = [f"python -m poster ablate --data DIR --out {folder} --arms {arms} --seeds {seeds} --sample {first.sample}"]
    base = BASE.override(["auxiliary=0"]) if first.streams else BASE
    if first.streams:
        words.append(f"--streams {first.streams.split()[0]}")
    default = _flat(json.loads(json.dumps(base, default=vars)))
    words += [f"--set {key}={value}" for key, value in _flat(first.recipe).items() if f"{key}=" not in COMPARED and default.get(key) != value]
    return " ".join(words)


def _flat(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Values by their names on the command line, without the recipe's description of itself."""
    inner = {f"{group}.{key}": value for group in ("head", "augmentation") for key, value in recipe[group].items()}
    return {key: value for key, value in recipe.items() if key not in ("head", "augmentation", "contract", "about", "reproduces")} | inner


def write_page(found: Ablation, records: Sequence[Record], folder: Path, out: Path) -> None:
    """``out`` (.md), and its picture (.svg) beside it."""
    linear_first = sorted(records, key=lambda record: record.arm != LINEAR)
    out.with_suffix(".svg").write_text(picture(found, linear_first))
    out.write_text(page(found, linear_first, str(folder), out.with_suffix(".svg").name))
