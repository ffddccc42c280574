"""``python -m leaderboard rerun JOB [--user NAME]``."""

from __future__ import annotations

import argparse
from typing import Any

from leaderboard.commands.common import opened
from leaderboard.jobs import rerun


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", metavar="JOB")
    parser.add_argument("--user", help="refuse unless the job is this submitter's")


def run(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    with opened() as (store, config):
        job = rerun(store, config, options.job, options.user)
    return {"id": job.id, "state": job.state}, f"Job {job.id} is queued again."
