"""Checkpoints and jobs as HTML: foreign text stays text, what matters is there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from leaderboard.status import JobLine
from poster.checkpoint import inspect
from space.submission_view import facts, inspection_html, job_html, jobs_html
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
        ({"state": "done", "result": "r1"}, ["done", "r1", "See it on the leaderboard"]),
    ],
)
def test_where_a_job_stands(changes, words):
    text = " ".join(Elements(job_html(replace(LINE, **changes), workers=0)).words)
    assert [word for word in words if word not in text] == []


def test_a_queued_job_with_a_worker_at_work():
    assert "no worker" not in job_html(LINE, workers=1)


@pytest.mark.parametrize("field", ["id", "model", "benchmark", "protocol", "state", "message", "submitted_by", "result"])
def test_no_field_becomes_markup(field):
    line = replace(LINE, **{field: HOSTILE})
    assert "<script" not in job_html(line, 0) + jobs_html([line]) and "<script" not in facts([(HOSTILE, HOSTILE)])


def test_a_checkpoint_and_the_evidence(weights):
    text = " ".join(Elements(inspection_html(inspect(weights), "file mine.pth")).words)
    for word in ("posterpp_nano", "neutral, happiness, surprise", "sure", "rgb", "file mine.pth", inspect(weights).contents.sha256):
        assert word in text
