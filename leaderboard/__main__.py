"""``python -m leaderboard COMMAND``: the table of commands; each lives in `leaderboard/commands` and is imported only when asked for."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from typing import Any

from eval.__main__ import Parser
from poster.cli import run

COMMANDS = {
    "submit": "a checkpoint (a file, or a Hugging Face repository) to one or more benchmarks",
    "status": "the queue: what waits, what runs, what became of a job",
    "cancel": "a job that waits or runs",
    "rerun": "a job that failed or was cancelled, once more",
    "worker": "take jobs and evaluate them, until told to stop",
    "publish": "results into the Hugging Face data set",
    "restore": "results out of the data set into an empty store",
    "export": "the leaderboard as CSV, JSON, Parquet, LaTeX or Markdown, or as files for a model's own repository",
    "doctor": "is everything here that this machine needs?",
}


def main(argv: list[str]) -> int:
    """Run one command; the exit code is 0 done, 2 the user's input, 1 ours."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch: OpenMP threads that spin make a busy machine many times slower
    as_json = "--json" in argv
    name = argv[0] if argv and argv[0] in COMMANDS else None
    code = 0

    def action() -> dict[str, Any] | None:
        nonlocal code
        if name is None:
            chooser = Parser(prog="python -m leaderboard", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
            chooser.add_argument("command", choices=COMMANDS, help="; ".join(f"{key}: {what}" for key, what in COMMANDS.items()))
            chooser.parse_args(argv[:1])
            return None
        command = importlib.import_module(f"leaderboard.commands.{name}")
        parser = Parser(prog=f"python -m leaderboard {name}", description=COMMANDS[name])
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        command.add_arguments(parser)
        answer, text = command.run(parser.parse_args(argv[1:]))
        code = answer.pop("exit_code", 0)
        if not as_json and text:
            print(text)
        return answer

    return run(action, as_json) or code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
