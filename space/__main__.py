"""``python -m space COMMAND``: the table of commands; the app itself is started by app.py."""

import sys

from poster.cli import dispatch

COMMANDS = {"serving": "twenty visitors at once against one at a time: answers a second, waiting, processor time and memory of an answer"}


def main(argv: list[str]) -> int:
    """Run one command; the exit code is 0 done, 2 the user's input, 1 ours."""
    return dispatch("space", __doc__, COMMANDS, argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
