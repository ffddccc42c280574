"""Checkpoints and jobs as HTML: foreign text stays text, what matters is there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from leaderboard.status import JobLine
from poster.checkpoint import inspect
from space.submission_view import facts, inspection_html, job_html, jobs_html, probe_pictures, said_html, tried_html
from tests.space.test_answer_view import Elements

LINE = JobLine("0123456789ab", "A model", "ferplus", "majority", "queued", "", 0.0, 1, "", 3, 60.0, "ann", "")
HOSTILE = "<script>alert(1)</script>"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ["waiting", "3 before it; no worker is at work now"]),
        ({"state": "running", "progress": 0.42, "message": "chunk 3 of 7"}, ["being evaluated", "42 %", "chunk 3 of 7"]),
        ({"state": "failed", "fault": "ours"}, ["failed (our fault, not charged)"]),
        ({"state": "failed", "fault": "submitter", "message": "NaN in the outputs."}, ["failed (the submission's fault)", "NaN in the outputs."]),
        ({"position": 0}, ["next in turn"]),
        ({"state": "done", "result": "r1"}, ["done", "r1", "Everything about it", "the leaderboard"]),
    ],
)
def test_where_a_job_stands(changes, words):
    text = " ".join(Elements(job_html(replace(LINE, **changes), workers=0)).words)
    assert [word for word in words if word not in text] == []


def test_a_queued_job_with_a_worker_at_work():
    assert "no worker" not in job_html(LINE, workers=1)


def test_the_log_tells_what_happened_when():
    line = replace(LINE, state="failed", fault="ours", message="the disk is full", tries=2, worker="w1", created=1e9, started=1e9 + 60, finished=1e9 + 90)
    text = " ".join(Elements(job_html(line, workers=1)).words)
    for words in ("2001-09-09 01:46:40 UTC", "queued by ann", "01:47:40 UTC", "taken by w1, 2 tries", "01:48:10 UTC", "failed: the disk is full"):
        assert words in text
    assert "now  chunk 3" in " ".join(Elements(job_html(replace(LINE, state="running", message="chunk 3"), 1)).words)


def test_what_the_evaluation_said_is_text():
    html = said_html(("2001-09-09 01:46:40 scoring", f"{HOSTILE} & </pre></details><img src=x onerror=alert(1)>"))
    assert "<script" not in html and "<img" not in html and html.count("</pre>") == 1
    assert f"scoring\n{HOSTILE} & </pre>" in "".join(Elements(html).words)


def test_the_sixteen_pictures_of_the_dry_run_with_their_answers():
    pictures = probe_pictures()
    assert len(pictures) == len({picture for _, picture in pictures}) == 16 and [drawn for drawn, _ in pictures].count("anger") == 2
    probe = {"seconds_per_image": 0.012, "answers": 2, "spread": 0.5, "predictions": [["fear", 0.5]] * 15 + [["anger", 0.91]]}
    found = Elements(tried_html(probe))
    text = " ".join(found.words)
    assert text.count("fear 50 %") == 15 and "anger 91 %" in text and "2 different answers; 12 ms a picture" in text


@pytest.mark.parametrize("field", ["worker", "id", "model", "benchmark", "protocol", "state", "message", "submitted_by", "result"])
def test_no_field_becomes_markup(field):
    line = replace(LINE, **{field: HOSTILE})
    assert "<script" not in job_html(line, 0) + jobs_html([line]) and "<script" not in facts([(HOSTILE, HOSTILE)])


def test_a_checkpoint_and_the_evidence(weights):
    text = " ".join(Elements(inspection_html(inspect(weights), "file mine.pth")).words)
    for word in ("posterpp_nano", "neutral, happiness, surprise", "sure", "rgb", "file mine.pth", inspect(weights).contents.sha256):
        assert word in text
