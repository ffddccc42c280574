"""Each published number of a network that is ours to train, beside what was measured here and the one line that would repeat it in full."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from leaderboard.claims import TEST_SETS, Claim
from leaderboard.record import Record
from poster.training.recipe import Recipe


@dataclass(frozen=True)
class Reproduction:
    """claim: the published number. recipe: the recipe that trains it, "" where there is none, with the ``reason``. measured: percent, of models
    that recipe trained and this leaderboard scored on the same benchmark."""

    claim: Claim
    recipe: str
    reason: str
    measured: tuple[float, ...] = ()

    @property
    def command(self) -> str:
        """What whoever has the data set runs."""
        files = "--teacher mobilefacenet.pth --backbone ir50.pth"
        return f"python -m poster train {self.recipe} --data DIR --out DIR {files}" if self.recipe else ""


def reproductions(claims: Iterable[Claim], recipes: Iterable[Recipe], records: Iterable[Record]) -> list[Reproduction]:
    """One entry for each claim about a network of ours, in the claims' order."""
    recipes, records = list(recipes), list(records)
    found = []
    for claim in claims:
        if not claim.model.startswith("POSTER"):
            continue
        recipe = next((r for r in recipes if claim.model in r.reproduces and r.dataset == claim.benchmark), None)
        if recipe is None:
            reason = "its data set is private" if claim.benchmark == "vr-headset" else "its source does not say how it was trained"
            found.append(Reproduction(claim, "", reason))
            continue
        runs = [r for r in records if r.benchmark == claim.benchmark and r.contract.get("source") == recipe.contract.source]
        measured = tuple(100 * sum(row[i] for i, row in enumerate(run.confusion)) / sum(map(sum, run.confusion)) for run in runs)
        found.append(Reproduction(claim, recipe.name, recipe.about, measured))
    return found


def as_markdown(entries: Iterable[Reproduction]) -> str:
    """The table as Markdown, one row a claim."""
    lines = ["| model | benchmark | claimed % | measured % | recipe | in full |", "| --- | --- | ---: | ---: | --- | --- |"]
    for entry in entries:
        measured = ", ".join(f"{value:.1f}" for value in entry.measured) or "not run"
        command = f"`{entry.command}`" if entry.command else entry.reason
        title = TEST_SETS[entry.claim.benchmark].title
        lines.append(f"| {entry.claim.model} | {title} | {entry.claim.accuracy:.2f} | {measured} | {entry.recipe or 'none'} | {command} |")
    return "\n".join(lines) + "\n"
