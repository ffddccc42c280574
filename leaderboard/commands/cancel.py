"""``python -m leaderboard cancel JOB [--user NAME]``."""

from __future__ import annotations

import argparse
from typing import Any

from leaderboard.commands.common import opened
from leaderboard.jobs import cancel


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", metavar="JOB")
    parser.add_argument("--user", help="refuse unless the job is this submitter's")


def run(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    with opened() as (store, _):
        job = cancel(store, options.job, options.user)
    what = "is cancelled" if job.state == "cancelled" else "is being stopped by its worker"
    return {"id": job.id, "state": job.state}, f"Job {job.id} {what}."
