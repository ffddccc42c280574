"""The address of a submission: what it may name, and that it shows the same after a restart."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from leaderboard.config import Config
from leaderboard.jobs import cancel
from leaderboard.names import SubmissionError
from leaderboard.status import job_lines
from leaderboard.store import open_store
from space.status_page import job_of
from space.submission_view import job_html, jobs_html
from tests.leaderboard.conftest import add_job


def named(job: str) -> SimpleNamespace:
    """A visitor's request for the page."""
    return SimpleNamespace(query_params={"job": job} if job else {})


def test_a_kept_address_shows_the_same_job_after_a_restart(tmp_path: Path):
    config = Config(data=tmp_path)
    pages = []
    for start in ("first", "second"):
        store = open_store(config.url)
        if start == "first":
            waiting, ended = (add_job(store, config, number).job.id for number in (1, 2))
            cancel(store, ended, "ann")
        lines = [job_lines(store, job=job_of(named(job)))[0] for job in (waiting, ended)]
        pages.append([*(job_html(line, workers=0) for line in lines), jobs_html(job_lines(store))])
        store.close()
    assert pages[0] == pages[1]
    assert "next in turn; no worker is at work now" in pages[1][0] and waiting in pages[1][2] and "cancelled" in pages[1][1]


@pytest.mark.parametrize("job", ["x", "0123456789aB", "0123456789ab'", "../../etc/passwd", "0123456789ab\n", "0" * 4000])
def test_an_address_that_names_no_job(job: str):
    with pytest.raises(SubmissionError, match="names no job"):
        job_of(named(job))
    assert job_of(named("")) == ""
