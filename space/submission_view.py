"""A checkpoint as it was recognised, and a job as it stands, as HTML. Foreign text is escaped everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from leaderboard.status import JobLine

if TYPE_CHECKING:
    from leaderboard.jobs import Queued
    from leaderboard.submission import Prepared
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


def queued_html(prepared: Prepared | None, jobs: Sequence[Queued]) -> str:
    """What the dry run gave, and the way to each job."""
    lines = []
    for one in jobs:
        words = "queued" if one.is_new else f"there already ({STATES.get(one.job.state, one.job.state)}): the same weights are run once"
        lines.append(f'<li><a href="./status?job={escape(one.job.id)}">Job {escape(one.job.id)}</a>: {escape(one.job.benchmark)}, {escape(words)}</li>')
    probe = ""
    if prepared is not None:
        numbers = prepared.probe
        probe = facts(
            [
                ("Dry run", f"sixteen schematic faces, {1000 * numbers['seconds_per_image']:.0f} ms each"),
                ("Different answers", f"{numbers['answers']:.0f} of {len(prepared.contract.labels)} expressions"),
                ("Largest change", f"{numbers['spread']:.2f} of a probability between two of them"),
            ]
        )
    return f'<div role="status"><h2>Submitted</h2>{probe}<ul class="plain">{"".join(lines)}</ul></div>'


def job_html(line: JobLine, workers: int) -> str:
    """One job: where it stands, how far it is, what went wrong."""
    faults = {"ours": " (our fault, not charged)", "submitter": " (the submission's fault)"}
    state = STATES.get(line.state, line.state) + faults.get(line.fault, "")
    waits = f"{line.position} before it" + ("" if workers else "; no worker is at work now") if line.state == "queued" else ""
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
    board = '<p class="note"><a href="./leaderboard">See it on the leaderboard</a></p>' if line.state == "done" else ""
    return f'<div role="status"><h2>Job {escape(line.id)}</h2>{facts([pair for pair in pairs if pair[1]])}{done}{board}</div>'


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
