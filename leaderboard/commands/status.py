"""``python -m leaderboard status [JOB] [--user NAME] [--watch]``."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import asdict
from typing import Any

from leaderboard.commands.common import opened, table
from leaderboard.status import help_needed, job_lines, worker_lines
from poster.errors import InputError

WATCH_SECONDS = 2.0
MAX_LINES = 10_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", metavar="JOB", nargs="?", help="only this job")
    parser.add_argument("--user", help="only the jobs of this submitter")
    parser.add_argument("--limit", type=int, default=50, metavar="N", help="the newest N (default: 50)")
    parser.add_argument("--watch", action="store_true", help="show it again and again until every job shown has ended")


def run(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    if not 1 <= options.limit <= MAX_LINES:
        raise InputError(f"--limit {options.limit} is not possible; a whole number from 1 to {MAX_LINES} is needed.")
    with opened() as (store, config):
        while True:
            lines, at_work = job_lines(store, options.user, options.job, options.limit), worker_lines(store, config)
            said = "\n".join(line for one in lines for line in one.log)
            text = "\n\n".join(filter(None, [table(lines), help_needed(lines, at_work), said]))
            if not options.watch or not any(line.state in ("queued", "running") for line in lines):
                return {"jobs": [asdict(line) for line in lines], "workers": [asdict(line) for line in at_work]}, text
            home = "\x1b[2J\x1b[H" if sys.stderr.isatty() else ""
            sys.stderr.write(f"{home}{text}\n\n")
            time.sleep(WATCH_SECONDS)
