"""``python -m leaderboard COMMAND``: the table of commands; each lives in `leaderboard/commands` and is imported only when asked for."""

import sys

from poster.cli import dispatch

COMMANDS = {
    "submit": "a checkpoint (a file, or a Hugging Face repository) to one or more benchmarks",
    "status": "the queue: what waits, what runs, what became of a job",
    "cancel": "a job that waits or runs",
    "rerun": "a job that failed or was cancelled, once more",
    "worker": "take jobs and evaluate them, until told to stop",
    "publish": "results into the Hugging Face data set",
    "restore": "results out of the data set into an empty store",
    "export": "the leaderboard as CSV, JSON, Parquet, LaTeX or Markdown, or as files for a model's own repository",
    "compute": "count and time every architecture, for the columns of the board",
    "reproduction": "published numbers beside ours, and the line that would repeat each in full",
    "doctor": "is everything here that this machine needs?",
}


def main(argv: list[str]) -> int:
    """Run one command; the exit code is 0 done, 2 the user's input, 1 ours."""
    return dispatch("leaderboard", __doc__, COMMANDS, argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
