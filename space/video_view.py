"""A short video's answer as HTML: the expressions of the largest face over time as lines, in words, and as a table."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from poster.percent import percent
from space.answer_view import message_html
from space.expressions import COLOURS, MEANINGS

if TYPE_CHECKING:
    from poster.predict import Prediction

WIDTH, HEIGHT, LEFT, BELOW = 720, 250, 72, 32  # of the drawing, and of its scales
SHOWN = 0.05  # an expression that never reaches this share gets no line
NO_FACE = "No face was found in this video; a larger or more frontal face is needed."


@dataclass(frozen=True)
class Moment:
    """One picture of a video. seconds: when; face: its largest face, None where there is none."""

    seconds: float
    face: Prediction | None


def timeline_html(moments: Sequence[Moment], model: str) -> str:
    """The whole answer; a sentence where no picture has a face."""
    seen = [one for one in moments if one.face is not None]
    if not seen:
        return message_html(NO_FACE)
    saves = "".join(f'<button type="button" data-save="{kind}">{kind.upper()}</button>' for kind in ("csv", "json"))
    data = escape(json.dumps({"model": model, "pictures": len(moments), "faces": list(rows(moments))}))
    return (
        f'<div class="answer timeline" data-answer="{data}"><h2>Expressions over time</h2><p>{escape(summary(moments))}</p>{drawing(moments)}'
        f'<div class="under">{_legend(moments)}<span class="saves" role="group" aria-label="Download">{saves}</span></div>{_table(moments)}'
        f'<p class="note how">{escape(model)}; the largest face of {len(moments)} pictures.</p></div>'
    )


def summary(moments: Sequence[Moment]) -> str:
    """What the drawing shows, in words."""
    counted = Counter(one.face.ranked[0][0] if one.face else "no face" for one in moments)
    parts = ", ".join(f"{name} in {100 * number / len(moments):.0f} %" for name, number in counted.most_common())
    return f"{moments[-1].seconds:.1f} seconds, {len(moments)} pictures. Strongest: {parts}."


def rows(moments: Sequence[Moment]) -> Iterator[dict[str, object]]:
    """One line a picture with a face, for the downloads."""
    for one in moments:
        if one.face:
            numbers = {name: round(p, 6) for name, p in zip(one.face.labels, one.face.probabilities, strict=True)}
            yield {"seconds": round(one.seconds, 3), "strongest": one.face.ranked[0][0], "quality": round(one.face.quality, 4), **numbers}


def drawing(moments: Sequence[Moment]) -> str:
    """Lines of probability over time, and under them a strip in the colour of the strongest expression. A picture without a face is a gap."""
    end = max(moments[-1].seconds, 1e-3)
    across = WIDTH - LEFT - 8
    plot = HEIGHT - BELOW - 18

    def x(seconds: float) -> float:
        return LEFT + across * seconds / end

    def y(share: float) -> float:
        return 8 + plot * (1 - share)

    marks = []
    for share in (0, 0.5, 1):
        marks.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - 8}" y1="{y(share):.1f}" y2="{y(share):.1f}"/>')
        marks.append(f'<text x="{LEFT - 6}" y="{y(share) + 4:.1f}" text-anchor="end">{100 * share:.0f} %</text>')
    step = next(one for one in (0.5, 1, 2, 5) if end / one <= 8)
    marks += [f'<text x="{x(n * step):.1f}" y="{HEIGHT - 4}" text-anchor="middle">{n * step:g} s</text>' for n in range(int(end / step) + 1)]
    until = [*(one.seconds for one in moments[1:]), end]
    strip = [
        f'<rect x="{x(one.seconds):.1f}" y="{8 + plot + 4}" width="{x(after) - x(one.seconds):.1f}" height="8" fill="{COLOURS[one.face.ranked[0][0]]}"/>'
        for one, after in zip(moments, until, strict=True)
        if one.face
    ]
    lines = [f'<path d="{_path(moments, name, x, y)}" stroke="{COLOURS[name]}"/>' for name in _shown(moments)]
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Probabilities of the expressions over time; the table below has the numbers.">'
        f"{''.join(marks)}{''.join(strip)}{''.join(lines)}</svg>"
    )


def _path(moments: Sequence[Moment], name: str, x: Callable[[float], float], y: Callable[[float], float]) -> str:
    parts, pen = [], "M"
    for one in moments:
        if one.face is None:
            pen = "M"
            continue
        share = one.face.probabilities[one.face.labels.index(name)]
        parts.append(f"{pen}{x(one.seconds):.1f} {y(share):.1f}h0")
        pen = "L"
    return "".join(parts)


def _shown(moments: Sequence[Moment]) -> list[str]:
    """Expressions that reach SHOWN somewhere, the most present first."""
    faces = [one.face for one in moments if one.face]
    best = {name: (max(f.probabilities[i] for f in faces), sum(f.probabilities[i] for f in faces)) for i, name in enumerate(faces[0].labels)}
    return [name for name in sorted(best, key=lambda name: -best[name][1]) if best[name][0] >= SHOWN]


def _legend(moments: Sequence[Moment]) -> str:
    items = "".join(f'<li title="{MEANINGS[name]}"><i style="background:{COLOURS[name]}"></i>{name}</li>' for name in _shown(moments))
    return f'<ul class="key">{items}</ul>'


def _table(moments: Sequence[Moment]) -> str:
    names = _shown(moments)
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    lines = []
    for one in moments:
        cells = (
            "".join(f"<td>{escape(percent(one.face.probabilities[one.face.labels.index(name)], digits=0))}</td>" for name in names)
            if one.face
            else f'<td colspan="{len(names)}">no face</td>'
        )
        lines.append(f'<tr><th scope="row">{one.seconds:.1f} s</th>{cells}</tr>')
    return (
        '<details class="numbers"><summary>The numbers</summary><div class="scroller" tabindex="0" role="region" aria-label="Numbers over time">'
        f"<table><thead><tr><th>time</th>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div></details>"
    )
