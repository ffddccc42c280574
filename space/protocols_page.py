"""The Protocols page: every test set a row can be measured on, with its version, counts, fingerprint, licence and where to get it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import groupby

import gradio as gr

from eval.benchmark import Benchmark
from eval.catalogue import CATALOGUE
from eval.significance import smallest_gap, wilson
from leaderboard.claims import TEST_SETS
from space.model_view import COPIES, code
from space.snippet import PROTOCOLS, snippet
from space.submission_view import facts
from space.text import text

TYPICAL = 0.9  # the accuracy whose interval is named
INTRO = """
<h1>Protocols</h1>
<p class="lead">A number is worth what its test set is. Each protocol below is one exact set of images and labels; a row of the leaderboard names its own.
A version goes up when images or labels change, and rows of different versions are never compared. The smallest gap is the one that McNemar's test can
show between two models that disagree on 6 % of the images.</p>
"""


def build_protocols() -> None:
    """All of it is known when the app starts."""
    text(INTRO)
    gr.HTML(protocols_html(CATALOGUE), js_on_load=COPIES, apply_default_css=False)
    snippet(PROTOCOLS)


def protocols_html(catalogue: Sequence[Benchmark]) -> str:
    """One section a benchmark, whole faces and lower halves together; one row a protocol."""
    sections = []
    for name, some in groupby(sorted(catalogue, key=lambda one: _place(catalogue, one)), key=lambda one: one.name.removesuffix("-lower")):
        sections.append(_section(name, list(some)))
    return f'<div id="protocols">{"".join(sections)}</div>'


def _place(catalogue: Sequence[Benchmark], benchmark: Benchmark) -> tuple[int, int]:
    """Lower halves beside the whole faces they are made of."""
    names = list(dict.fromkeys(one.name.removesuffix("-lower") for one in catalogue))
    return names.index(benchmark.name.removesuffix("-lower")), benchmark.name.endswith("-lower")


def _section(name: str, protocols: Sequence[Benchmark]) -> str:
    whole = [one for one in protocols if one.region == "whole" or len(protocols) == 1]
    first = whole[0]
    known = TEST_SETS.get(name)
    title = known.title if known else first.title
    note = f'<p class="note">{escape(known.note[0].upper() + known.note[1:])}.</p>' if known and known.note else ""
    lower = '<p class="note">Each also as <code>{}-lower</code>: only the lower half of the aligned face, what a VR headset leaves visible.</p>'
    halves = lower.format(escape(name)) if any(one.region == "lower" for one in protocols) and len(protocols) > 1 else ""
    data = "" if first.self_test else " --data DIR"
    command = f"python -m eval score WEIGHTS --benchmark {name} --protocol {first.protocol}{data}"
    about = facts([("Licence", first.licence), ("To be had from", first.obtain), ("Layouts read", ", ".join(first.layouts))])
    return (
        f'<section id="{escape(name)}"><h2>{escape(title)} <code>{escape(name)}</code></h2>{note}{about}{_table(whole)}{halves}'
        f"{code('bash', command, f'Command that measures on {name}')}</section>"
    )


def _table(protocols: Sequence[Benchmark]) -> str:
    heads = ("Protocol", "Version", "Images", "Which, and how many of each expression", "95 % interval at 90 %", "Smallest gap", "Main score", "Fingerprint")
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(map(_row, protocols))}</tbody></table>"
    return f'<div class="board"><div class="scroll" tabindex="0" role="region" aria-label="Protocols of {escape(protocols[0].name)}">{table}</div></div>'


def _row(one: Benchmark) -> str:
    count = one.num_images
    half = gap = "–"
    if count:
        low, high = wilson(round(TYPICAL * count), count)
        half, gap = f"± {50 * (high - low):.2f} points", f"{100 * smallest_gap(count):.2f} points"
    counts = (
        ", ".join(f"{label} {number:,}" for label, number in zip(one.labels, one.counts, strict=True))
        if one.counts
        else "counts of the expressions not published"
    )
    version = f"{one.version}" + (f", superseded by {escape(one.superseded_by)}" if one.superseded_by else "")
    fingerprint = f'<code title="{one.fingerprint}">{one.fingerprint[:12]}</code>' if one.fingerprint else "not known here"
    words = escape(one.main_score.replace("_", " "))
    images = f"{count:,}" if count else "own" if one.protocol == "own" else "not published"
    cells = (version, images, f"{escape(one.title)}<br><small>{counts}</small>", half, gap, words, fingerprint)
    return f'<tr><th scope="row"><code>{escape(one.protocol)}</code></th>' + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
