"""How to cite a model, a data set and a result of this project, in BibTeX."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from leaderboard.board import Row

PAPERS_FILE = Path(__file__).with_name("papers.toml")


@cache
def _papers(path: Path = PAPERS_FILE) -> tuple[dict[str, Any], ...]:
    return tuple(tomllib.loads(path.read_text(encoding="utf-8"))["paper"])


def of_model(name: str, architecture: str = "") -> str:
    """The paper of a model: the one whose name its own begins with, the longest of them, else the paper of its architecture; "" for none known."""
    entries = [(known, paper["bibtex"]) for paper in _papers() for known in paper.get("models", ())]
    found = [(len(known), bibtex) for known, bibtex in entries if re.match(rf"{re.escape(known)}(?![\w+])", name)]
    if found:
        return str(max(found)[1]).strip()
    for paper in _papers():
        if architecture in paper.get("architectures", ()):
            return of_model(paper["same_as"]) if "same_as" in paper else str(paper["bibtex"]).strip()
    return ""


def of_benchmark(name: str) -> str:
    """The paper of a benchmark, "" for none known."""
    return next((str(paper["bibtex"]).strip() for paper in _papers() if name.removesuffix("-lower") in paper.get("benchmarks", ())), "")


def of_result(row: Row) -> str:
    """An entry for a result measured here: what was measured, on which weights, when."""
    low, high = row.interval or (row.accuracy, row.accuracy)
    year = row.finished[:4]
    key = re.sub(r"\W+", "-", f"{row.model}-{row.benchmark}").strip("-").lower()
    lines = [
        f"  title        = {{{{{row.model} on {row.title} ({row.protocol}): accuracy {row.accuracy:.1f} %, 95 % interval {low:.1f} to {high:.1f}}}}},",
        "  howpublished = {POSTER facial expression leaderboard},",
        f"  year         = {{{year}}},",
        f"  note         = {{result {row.key} of {row.finished[:10]}, weights sha256 {row.weights_sha256}}}",
    ]
    return "\n".join([f"@misc{{{key},", *(line for line in lines if year or "  year " not in line), "}"])


def bibliography(rows: Sequence[Row]) -> str:
    """Everything to cite for the rows of one model, each entry once: the model, the results measured here, the data sets."""
    entries = [of_model(row.model, row.architecture) for row in rows]
    entries += [of_result(row) for row in rows if row.status == "measured"]
    entries += [of_benchmark(row.benchmark) for row in rows]
    return "\n\n".join(dict.fromkeys(entry for entry in entries if entry))
