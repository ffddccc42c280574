"""A checkpoint as it was recognised, and a job as it stands, as HTML. Foreign text is escaped everywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from leaderboard.status import JobLine
from poster.percent import percent
from space.expressions import COLOURS

if TYPE_CHECKING:
    from leaderboard.jobs import Queued
    from poster.checkpoint import Inspection

STATES = {
    "queued": "waiting",
    "running": "being evaluated",
    "done": "done",
    "failed": "failed",
    "cancelled": "cancelled",
}


def facts(pairs: Sequence[tuple[str, str]]) -> str:
    """Names and values as a definition list."""
    return '<dl class="facts">' + "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in pairs) + "</dl>"


def inspection_html(found: Inspection, source: str) -> str:
    """What the file is, what is odd, and the evidence for the proposed contract."""
    known, contents = found.identity, found.contents
    sure = {True: "sure", False: "please check"}
    pairs = [
        ("Architecture", known.architecture or "not known here"),
        ("Classes", f"{known.num_classes}, head {known.head}"),
        ("Labels", f"{', '.join(known.labels.names) or 'unknown'} ({sure[known.labels.sure]}: {known.labels.why})"),
        ("Channels", f"{known.channels.order} ({sure[known.channels.sure]}: {known.channels.why})"),
        ("Parameters", f"{known.parameters_used:,} computed with, {known.parameters:,} in the file"),
        ("File", f"{contents.container}, {contents.size / 2**20:.1f} MiB, {len(contents.entries)} entries"),
        ("Source", source),
        ("sha256", contents.sha256),
    ]
    warnings = "".join(f'<p class="message">{escape(warning)}</p>' for warning in known.warnings)
    return f'<div class="seen-checkpoint"><h2>What it is</h2>{facts(pairs)}{warnings}</div>'


@cache
def probe_pictures() -> tuple[tuple[str, str], ...]:
    """The sixteen pictures of the dry run in its order: the expression drawn, and the picture as a data: address."""
    import base64
    import io

    from PIL import Image

    from leaderboard.child import PROBE_EACH
    from poster.data.sketch import sketch_set

    images, found = sketch_set(PROBE_EACH), []
    for position, target in enumerate(images.targets):
        buffer = io.BytesIO()
        Image.fromarray(images.source.read(position)).save(buffer, "PNG")
        found.append((images.labels[int(target)], "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()))
    return tuple(found)


def tried_html(probe: Mapping[str, Any]) -> str:
    """The dry run: what the model answers to each of the sixteen pictures, how different its answers are, how fast it is."""
    cells = "".join(
        f'<li><img src="{picture}" alt="schematic face drawn as {drawn}" width="64" height="64">'
        f'<b><i class="swatch" style="background:{COLOURS[label]}"></i>{escape(label)}</b><small>{escape(percent(probability, digits=0))}</small></li>'
        for (drawn, picture), (label, probability) in zip(probe_pictures(), probe["predictions"], strict=True)
    )
    numbers = f"{probe['answers']} different answers; {1000 * probe['seconds_per_image']:.0f} ms a picture"
    words = "A trained model need not name drawings right, but its answers must be numbers and must differ."
    return f'<div class="tried" role="status"><h2>Dry run on sixteen schematic faces</h2><ul>{cells}</ul><p class="note">{numbers}. {words}</p></div>'


def queued_html(jobs: Sequence[Queued]) -> str:
    """The way to each job."""
    lines = []
    for one in jobs:
        words = "queued" if one.is_new else f"there already ({STATES.get(one.job.state, one.job.state)}): the same weights are run once"
        lines.append(f'<li><a href="./status?job={escape(one.job.id)}">Job {escape(one.job.id)}</a>: {escape(one.job.benchmark)}, {escape(words)}</li>')
    return f'<div role="status"><h2>Submitted</h2><ul class="plain">{"".join(lines)}</ul></div>'


def job_html(line: JobLine, workers: int) -> str:
    """One job: where it stands, how far it is, what went wrong."""
    faults = {"ours": " (our fault, not charged)", "submitter": " (the submission's fault)"}
    state = STATES.get(line.state, line.state) + faults.get(line.fault, "")
    waits = (
        (f"{line.position} before it" if line.position else "next in turn") + ("" if workers else "; no worker is at work now")
        if line.state == "queued"
        else ""
    )
    done = f'<progress max="1" value="{line.progress:.3f}" aria-label="Progress"></progress> {100 * line.progress:.0f} %' if line.state == "running" else ""
    pairs = [
        ("Model", line.model),
        ("Benchmark", f"{line.benchmark}, {line.protocol}"),
        ("State", state),
        ("Position", waits),
        ("Says", line.message),
        ("Tries", str(line.tries) if line.tries > 1 else ""),
        ("Submitted by", line.submitted_by),
        ("Result", line.result),
    ]
    board = ""
    if line.state == "done":
        links = (f'<a href="{escape(address(line.model, line.result))}">Everything about it</a>', '<a href="./leaderboard">the leaderboard</a>')
        board = f'<p class="note">{", ".join(links)}</p>'
    return (
        f'<div role="status"><h2>Job {escape(line.id)}</h2>{facts([pair for pair in pairs if pair[1]])}{done}{board}'
        f'<h2>What happened</h2><ol class="log">{log_html(line)}</ol></div>'
    )


def address(model: str, result: str = "") -> str:
    """Where a model's page lies."""
    return f"./model?name={quote(model, safe='')}" + (f"&result={quote(result, safe='')}" if result else "")


def said_html(lines: Sequence[str]) -> str:
    """What the evaluation said, as text: nothing in it is markup, whatever a checkpoint calls its entries."""
    return f'<div class="snippet"><pre tabindex="0" aria-label="Log of the evaluation"><code>{escape(chr(10).join(lines))}</code></pre></div>'


def log_html(line: JobLine) -> str:
    """What happened when, as far as the queue's record tells: it outlives every restart."""
    ends = {"done": "evaluated, result stored", "failed": "failed", "cancelled": "cancelled"}
    events = [(line.created, f"queued by {line.submitted_by}")]
    if line.started:
        events.append((line.started, f"taken by {line.worker}" + (f", {line.tries} tries" if line.tries > 1 else "")))
    if line.state == "running":
        events.append((0.0, line.message or "running"))
    if line.finished:
        events.append((line.finished, ends.get(line.state, line.state) + (f": {line.message}" if line.message else "")))
    return "".join(f"<li><time>{moment(when)}</time> {escape(what)}</li>" for when, what in events)


def moment(seconds: float) -> str:
    """A time in UTC, "now" for 0."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if seconds else "now"


def jobs_html(lines: Sequence[JobLine]) -> str:
    """The newest jobs as a table."""
    if not lines:
        return '<p class="note">No submission yet.</p>'
    rows = "".join(
        f'<tr><th scope="row"><a href="./status?job={escape(line.id)}">{escape(line.id)}</a></th><td>{escape(line.model)}</td>'
        f"<td>{escape(line.benchmark)}</td><td>{escape(STATES.get(line.state, line.state))}</td></tr>"
        for line in lines
    )
    head = "".join(f'<th scope="col">{name}</th>' for name in ("Job", "Model", "Benchmark", "State"))
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return f'<div class="board"><div class="scroll" tabindex="0" role="region" aria-label="Newest jobs">{table}</div></div>'
