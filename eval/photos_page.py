"""docs/photos.md and the command's table, from an answer of ``eval photos``; no number in them is typed in, and the verdicts follow from the intervals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

HEADER = ("photo", "accuracy %", "difference, points", "mean class accuracy %", "difference, points", "same answer %")
FINDER = ("photo", "found %", "accuracy of the found %", "difference on these, points", "crop's width", "crop's centre off by")


def summary(answer: dict[str, Any]) -> str:
    """For a terminal: which model and pictures, the table, the verdict."""
    rows = [HEADER, *_rows(answer)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([about(answer), "", *lines, "", verdict(answer)])


def about(answer: dict[str, Any]) -> str:
    """Which model, which pictures."""
    return (
        f"{answer['architecture']} (sha256 {answer['weights_sha256'][:12]}) on {answer['num_images']:,} pictures of {answer['benchmark']}, "
        f"{answer['protocol']}, {answer['split']}, drawn with seed {answer['seed']}, each class in its share; face finder: {answer['detector']}."
    )


def costs(row: dict[str, Any], score: str = "difference") -> bool:
    """Whether a condition costs more than chance explains: its whole interval lies below nothing."""
    return bool(row[score]["interval"][1] < 0)


def verdict(answer: dict[str, Any]) -> str:
    """The answer in a paragraph."""
    rows, plain = answer["conditions"], answer["plain"]
    dear = [name for name, row in rows.items() if costs(row)]
    sentences = [
        f"As they are, {_percent(plain['accuracy'])} % of the pictures are classified right (mean class accuracy {_percent(plain['mean_class_accuracy'])} %).",
        f"Turned into photos and handed to the app, {len(dear) or 'none'} of {len(rows)} kinds of photo cost{'s' if len(dear) == 1 else ''} accuracy "
        "beyond the interval of the difference.",
    ]
    kinds = dict.fromkeys(row["kind"] for row in rows.values())
    sentences += [_of_kind(kind, {name: row for name, row in rows.items() if row["kind"] == kind}) for kind in kinds]
    rare = [f"{name} ({_points(row['mean_class_difference'])})" for name, row in rows.items() if costs(row, "mean_class_difference")]
    sentences.append(f"Mean class accuracy falls beyond its interval with {_and(rare)}." if rare else "No mean class accuracy falls beyond its interval.")
    for name, row in rows.items():
        if "found" in row:
            sentences.append(_of_finder(name, row, answer["detector"]))
    return " ".join(sentences)


def _of_kind(kind: str, rows: dict[str, dict[str, Any]]) -> str:
    dear = [f"{name} {_points(row['difference'])}" for name, row in rows.items() if costs(row)]
    if dear:
        return f"{_capital(kind)}: hurt by {_and(dear)}."
    name, row = min(rows.items(), key=lambda pair: pair[1]["difference"]["value"])
    least = f"{name} {_points(row['difference'])}"
    return f"{_capital(kind)}: no cost that can be told from chance ({'at worst ' if len(rows) > 1 else ''}{least})."


def _of_finder(name: str, row: dict[str, Any], detector: str) -> str:
    among = row["among_found"]
    start = f"Left to find the face by itself ({name}), the app's {detector} finds {_percent(row['found'])} %"
    if among is None:
        return f"{start}."
    ends = "which is a cost" if costs(among) else "which cannot be told from none"
    return f"{start}; a face that is not found counts as a wrong answer, and on the found ones the difference is {_points(among['difference'])}, {ends}."


def _rows(answer: dict[str, Any]) -> list[tuple[str, ...]]:
    plain = ("as it is", _percent(answer["plain"]["accuracy"]), "-", _percent(answer["plain"]["mean_class_accuracy"]), "-", "-")
    return [plain, *(_cells(name, row) for name, row in answer["conditions"].items())]


def _cells(name: str, row: dict[str, Any]) -> tuple[str, ...]:
    scores = ((_percent(row[score]), _points(row[gap])) for score, gap in (("accuracy", "difference"), ("mean_class_accuracy", "mean_class_difference")))
    return (name, *(cell for pair in scores for cell in pair), _percent(row["same_answer"]))


def table(answer: dict[str, Any]) -> str:
    """Markdown; a difference that is a cost beyond chance is bold."""
    rows = []
    for cells in _rows(answer):
        row = answer["conditions"].get(cells[0])
        dear = (False, False) if row is None else (costs(row), costs(row, "mean_class_difference"))
        marked = [f"**{cell}**" if (place == 2 and dear[0]) or (place == 4 and dear[1]) else cell for place, cell in enumerate(cells)]
        rows.append(marked)
    return _markdown(HEADER, rows)


def finder_table(answer: dict[str, Any]) -> str:
    """What the app's own face finder found, and how its crops were framed."""
    rows = []
    for name, row in answer["conditions"].items():
        if "found" in row:
            among = row["among_found"]
            rest = ["-"] * 4
            if among is not None:
                rest = [_percent(among["accuracy"]), _points(among["difference"]), *(_spread(among[measure]) for measure in ("width", "offset"))]
            rows.append([name, _percent(row["found"]), *rest])
    return _markdown(FINDER, rows)


def page(answer: dict[str, Any]) -> str:
    """The whole page."""
    rows = answer["conditions"]
    kinds = "\n".join(f"| {name} | {row['kind']} | {row['about']} |" for name, row in rows.items())
    classes = ", ".join(f"{label} {count}" for label, count in answer["classes"].items())
    words = [f"--split {answer['split']}", f"--sample {answer['sample']}", f"--seed {answer['seed']}"]
    return f"""# Do photos hurt?

{verdict(answer)}

{table(answer)}

{about(answer)} In brackets 95 % intervals: Wilson's for accuracies and shares, for the others a bootstrap that draws pictures within
each true class. A difference is that to the plain picture, picture by picture; it is bold where its whole interval lies below nothing. Of {len(rows)} such
differences about one in forty lies there by chance alone. Pictures of each class: {classes}; of few pictures a class accuracy knows little, whatever its
interval says.

## The app's own face finder

{finder_table(answer)}

The crop's width is that of the crop the app takes, as a share of the picture that lies there (1 would be the picture exactly); its centre is off by a share of
that width. Median, and in brackets the 10th and 90th percentile.

## How it was made

The model learned from small grey pictures; a visitor's photo is coloured and of any size. So each picture of the sample ({answer["picture"]} pixels wide)
is turned into a photo first (`eval/photos.py`, one line a kind), saved as a file, and goes the way of an upload: `read_photo`, the face, its crop by the
model's own margin ({answer["crop"]:g}), `predict_many`. "As it is": the path of `eval score`, without any of this. Where the face's box is known, it is the one
whose crop is the picture; beyond the picture's edge the crop repeats the last pixels. Under "face finder" the app looks for the face itself, and a face
counts as found where it lies on the picture.

| photo | about | what is done to the picture |
|---|---|---|
{kinds}

These are enlarged pictures, not photos that a camera took: an enlarged face has no more detail than it had, and its pose, age and light are those of the data
set. What it shows is what the way from a file to the network costs, and how much of each the network bears.

## Again

    python -m eval photos WEIGHTS --data DIR {" ".join(words)} --out docs/photos.json
    python -m eval photos-page docs/photos.json

The first line measures and writes the page, the second writes the page alone. The setting FER_FACE_WEIGHTS names another face finder's weights.
"""


def _markdown(header: tuple[str, ...], rows: list[list[str]]) -> str:
    return "\n".join([f"| {' | '.join(header)} |", "|---" * len(header) + "|", *(f"| {' | '.join(row)} |" for row in rows)])


def _percent(found: dict[str, Any]) -> str:
    low, high = found["interval"]
    return f"{100 * found['value']:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def _points(found: dict[str, Any]) -> str:
    low, high = found["interval"]
    return f"{100 * found['value']:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"


def _spread(found: list[float]) -> str:
    return f"{found[0]:.2f} [{found[1]:.2f}, {found[2]:.2f}]"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _and(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def write_page(answer: dict[str, Any], out: Path) -> None:
    """Write the page (.md)."""
    out.write_text(page(answer))
