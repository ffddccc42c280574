"""docs/ablation.md and its pictures from the comparison and the records; no number in them is typed in, and the answers follow from the intervals."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eval.ablation import LINEAR, Ablation, Arm, Estimate, Pair
from eval.ablation_svg import FUSIONS, HEADS, Lead, picture
from poster.models import NANO
from poster.shipped import shipped_models
from poster.training.arms import BASE, COMPARED, DESCRIBES, Plan
from poster.training.record import Record

ALPHA = 0.05
DEEPER = "Does a deeper fusion help?"
UNDECIDED = "makes no difference that this many pictures and seeds could show"
FOLLOWS = 0.3  # Spearman's correlation from which a norm is said to follow quality; AdaFace's paper shows about 0.5 for its own
HEADER = (
    *("head", "parameters", "accuracy %", "mean class accuracy %", "ECE %", "ECE, scaled %"),
    *("ahead of linear, points", "p, Holm", "norm and quality: fused", "image"),
)
FUSION_HEADER = ("fusion", "blocks", "parameters", *HEADER[2:6], "ahead of POSTER++'s, points", "p, Holm")
PAIR_HEADER = ("deeper", "shallower", "ahead, points", "p, Holm")


def cells(arm: Arm) -> tuple[str, ...]:
    """A head's line of the table."""
    return (arm.name, f"{arm.parameters:,}", *_scores(arm), *(f"{arm.correlation[feature][0]:+.2f}" for feature in ("fused", "image")))


def fusion_cells(arm: Arm) -> tuple[str, ...]:
    """A fusion's line of the table."""
    return (arm.name if arm.fusion else f"POSTER++'s ({arm.name})", str(arm.depth or "-"), f"{arm.parameters:,}", *_scores(arm))


def pair_cells(pair: Pair) -> tuple[str, ...]:
    """A deeper pyramid against a shallower one."""
    return (*pair[:2], _points(pair[2]), f"{pair[3]:.3f}")


def _scores(arm: Arm) -> tuple[str, ...]:
    ahead = ("-", "-") if arm.ahead is None or arm.holm is None else (_points(arm.ahead), f"{arm.holm:.3f}")
    accuracy = f"{100 * arm.accuracy.value:.2f} [{100 * arm.accuracy.low:.2f}, {100 * arm.accuracy.high:.2f}]"
    return (accuracy, *(f"{100 * value:.1f}" for value in (arm.mean_class_accuracy, arm.ece, arm.ece_scaled)), *ahead)


def _points(one: Estimate) -> str:
    return f"{100 * one.value:+.2f} [{100 * one.low:+.2f}, {100 * one.high:+.2f}]"


def _linear(found: Ablation) -> Arm:
    return next(arm for arm in found.heads if arm.name == LINEAR)


def tables(found: Ablation) -> list[list[tuple[str, ...]]]:
    """What was asked, a table each, the header first: heads, fusions, pairs of fusions."""
    heads = [HEADER, *map(cells, found.heads)] if len(found.heads) > 1 else []
    fusions = [FUSION_HEADER, *map(fusion_cells, (_linear(found), *found.fusions))] if found.fusions else []
    return [rows for rows in (heads, fusions, [PAIR_HEADER, *map(pair_cells, found.depths)] if found.depths else []) if rows]


def _markdown(rows: Sequence[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]])


def better(found: Ablation) -> list[Arm]:
    """Heads with a margin whose lead over the linear one is beyond chance, all heads considered: these become recipes."""
    return [arm for arm in found.heads if arm.ahead and arm.holm is not None and arm.margin and arm.holm < ALPHA and arm.ahead.value > 0]


def answer(found: Ablation) -> str:
    """Does a quality-adaptive margin help, and if not, why: sentences chosen by the intervals; "" where no other head was run."""
    if len(found.heads) < 2:
        return ""
    adaptive = [arm for arm in found.heads if arm.kind == "adaface"]
    sentences = [
        _against(adaptive, "a quality-adaptive margin", "the linear head"),
        _against([arm for arm in found.heads if arm.kind in ("arcface", "cosface") and arm.margin], "a fixed margin", "the linear head"),
    ]
    sentences += [_adaptive_against_fixed(found), _norms(adaptive)]
    if not better(found):
        sentences.append("So no head with a margin becomes a recipe of its own.")
    else:
        sentences.append(f"{_and([arm.name for arm in better(found)])} lead{'s' if len(better(found)) == 1 else ''} beyond chance and may become a recipe.")
    return " ".join(sentence for sentence in sentences if sentence)


def fusion_answer(found: Ablation) -> str:
    """Does a deeper pyramid help, and is it better than POSTER++'s fusion: sentences chosen by the intervals; "" where no pyramid was run."""
    against = _against(found.fusions, "POSTER's pyramid in the place of POSTER++'s fusion", "POSTER++'s")
    return " ".join(sentence for sentence in (_deeper(found), against) if sentence)


def _deeper(found: Ablation) -> str:
    if not found.depths:
        return ""
    told = [pair for pair in found.depths if pair[3] < ALPHA]
    up, down = ([pair for pair in told if (pair[2].value > 0) == wanted] for wanted in (True, False))
    parts = [f"{one} is {'ahead of' if each.value > 0 else 'behind'} {other} ({_points(each)})" for one, other, each, _ in told]
    rest = [f"{one} from {other} ({_points(each)})" for one, other, each, p in found.depths if p >= ALPHA]
    if rest:
        parts.append(f"{_and(rest)} cannot be told apart")
    verdict = "helps and harms, by where one starts" if up and down else "helps here" if up else "harms here" if down else UNDECIDED
    first, last = found.fusions[0], found.fusions[-1]
    grown = f"from {first.depth} blocks with {first.parameters:,} parameters to {last.depth} with {last.parameters:,}"
    return f"A deeper POSTER fusion, {grown}, {verdict}: {'; '.join(parts)}, in points of accuracy."


def _against(arms: Sequence[Arm], what: str, other: str) -> str:
    if not arms:
        return ""
    told = [(arm, arm.ahead) for arm in arms if arm.ahead and arm.holm is not None and arm.holm < ALPHA]
    up, down = ([f"{arm.name} ({_points(ahead)})" for arm, ahead in told if (ahead.value > 0) == wanted] for wanted in (True, False))
    rest = [f"{arm.name} ({_points(arm.ahead)})" for arm in arms if arm.ahead and arm.holm is not None and arm.holm >= ALPHA]
    words = ("beats", "falls behind"), ("beat", "fall behind")
    parts = [f"{_and(names)} {words[len(names) > 1][which]} {other}" for which, names in enumerate((up, down)) if names]
    if rest:
        parts.append(f"{_and(rest)} cannot be told apart from {'it' if parts else other}")
    verdict = "helps here" if up else "does not help here" if down else UNDECIDED
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


def page(found: Ablation, records: Sequence[Record], folder: str, images: Mapping[str, str]) -> str:
    """The whole page; ``folder`` holds the records, ``images`` are the pictures' names by what they show."""
    first = records[0]
    recipe, seeds = first.recipe, ", ".join(map(str, found.seeds))
    pictures = recipe["batch_size"] * recipe["steps"] if recipe["steps"] else None
    budget = f"{recipe['epochs']} epochs of {'all training pictures' if pictures is None else f'{pictures:,} pictures'}"
    settings = {"votes": "the annotators' votes", "labels": "the class with the most votes", "poster": "the class with the most votes"}
    return f"""{_questions(found, images)}
## How to read the tables

Seeds {seeds}, {found.num_images:,} test pictures (FERPlus, PrivateTest, majority rule). Parameters: of fusion and head. In brackets 95 % intervals. A picture's
and a seed's chance are both counted: the variance of a mean is that of the seeds' means over the number of seeds plus that of the pictures' means over the
number of pictures, with Student's t and Satterthwaite's degrees of freedom; differences are taken picture by picture and seed by seed first.
p: of no difference, corrected for the number of rows of that table that have one (Holm 1979). ECE: 15 bins, of the probabilities as they are, and after one
temperature a run fitted to the validation split. Norm and quality: Spearman's correlation after the last epoch, mean over the seeds.

## What was compared

One network (`{recipe["architecture"]}`{_options(first.model)}), {budget}, batches of {recipe["batch_size"]}, {recipe["optimizer"]}, rate {recipe["lr"]:g};
every arm learns {settings[recipe["target"]]}. An arm is another head on POSTER++'s fusion, or another fusion under the linear head
(`poster/training/arms.py`). All runs of a seed begin with the same weights but for that and see the same pictures in the same order, varied alike. The weights
after the last epoch count: nothing is chosen, so nothing is chosen in any arm's favour, and the test split is read once, at the end. Learning rate and
augmentation were made for POSTER++'s fusion under the linear head with soft votes; another arm might want others.

{_fusions(found, first)}{_streams(first, found)}

Quality is that of `poster/quality.py`, without a reference: of pictures that all have 48 pixels only the sharpness is left. The curves are drawn from
{"all" if not first.sample else f"{first.sample:,}"} pictures of the validation split, the same in every run.

## Again

    {command(records, folder)}
    python -m eval ablation {folder} --out docs/{Path(images["page"]).name}

The first line, into an empty folder, takes hours without a GPU; with `--minutes M` it fits the steps to the time there is. Every number above is computed
from the files in `{folder}`: one a run, with the log-probabilities of each test and validation picture (line of fer2013.csv), the curve and the whole
recipe.{_since(first)}
"""


def _questions(found: Ablation, images: Mapping[str, str]) -> str:
    """Title, and for each question its answer, table and picture."""
    heads = answer(found)
    parts = [f"# {'Does a margin help?' if heads else DEEPER}"]
    shown = tables(found)
    if heads:
        parts += [heads, _markdown(shown.pop(0)), f"![Curves of the heads]({images['heads']})"]
    if found.fusions:
        parts += ([f"## {DEEPER}"] if heads else []) + [fusion_answer(found), *map(_markdown, shown), f"![Curves of the fusions]({images['fusions']})"]
    return "\n\n".join(parts) + "\n"


def _fusions(found: Ablation, record: Record) -> str:
    if not found.fusions:
        return ""
    depths = _and([str(arm.depth) for arm in found.fusions])
    width = record.model.get("embed_dim", NANO["embed_dim"])
    widths = _and([str(width // part) for part in (1, 2, 4)])
    return f"""POSTER's pyramid is that of `poster/poster_v1.py`, {widths} numbers wide and {depths} blocks deep; these arms differ in
nothing else. It reads the last map of either stream, POSTER++'s fusion all three.

"""


def _options(model: Mapping[str, Any]) -> str:
    return f" with {', '.join(f'{key} {value}' for key, value in model.items())}" if model else ""


def _streams(record: Record, found: Ablation) -> str:
    if record.streams:
        taught = " They were taught together with POSTER++'s fusion, which may favour it; between depths that is no bias." if found.fusions else ""
        return f"""The streams are held: those of {record.streams} feed every arm, and only the fusion and the head learn.
That is what makes so many runs affordable, and it is a bias: the image stream was taught under a linear head with soft votes, so no margin had a part
in the features, and the norm of the image stream's feature is the same in all arms. What the tables tell is what an arm makes of good features; that it
might shape better streams is not tested.{taught}"""
    share = record.recipe["auxiliary"]
    also = f" A second, linear loss of weight {share:g} on the image stream teaches it in every arm." if share else ""
    return f"Every arm trains its image stream from random weights; the landmark stream is held as its teacher left it, and never saw an expression.{also}"


def _since(record: Record) -> str:
    """Where the held streams are found once another model is shipped under their name."""
    name = record.streams.split()[0] if record.streams else ""
    if name not in shipped_models() or Plan(BASE, streams=name).identity == record.streams:
        return ""
    return f""" The model shipped as {name} is another one by now: take the file with the checksum above from the
history of `poster/weights/{name}.safetensors`, under the same name, and give its path to `--streams`."""


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
    return {key: value for key, value in recipe.items() if key not in ("head", "augmentation", "contract", *DESCRIBES)} | inner


def write_page(found: Ablation, records: Sequence[Record], folder: Path, out: Path) -> None:
    """``out`` (.md), and its pictures (.svg) beside it: of the heads under its name, of the fusions under its name and -fusions."""
    linear_first = sorted(records, key=lambda record: record.arm != LINEAR)
    files = {"page": out, "heads": out.with_suffix(".svg"), "fusions": out.with_name(f"{out.stem}-fusions.svg")}
    if len(found.heads) > 1:
        files["heads"].write_text(picture("Heads compared", HEADS, [(arm.name, arm.ahead) for arm in found.heads], linear_first))
    if found.fusions:
        leads: list[Lead] = [(arm.name, arm.ahead) for arm in (_linear(found), *found.fusions)]
        leads += [(f"{one} ahead of {other}", each) for one, other, each, _ in found.depths]
        files["fusions"].write_text(picture("Fusions compared", FUSIONS, leads, linear_first))
    out.write_text(page(found, linear_first, str(folder), {what: path.name for what, path in files.items()}))
