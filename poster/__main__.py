"""``python -m poster COMMAND``: the table of commands; each lives in `poster/commands` and is imported only when asked for."""

from __future__ import annotations

import argparse
import importlib
import sys
from typing import Any, NoReturn

from poster.cli import run
from poster.errors import InputError

COMMANDS = {
    "classify": "the faces of a photo, their expressions and a heatmap",
    "inspect": "what is in a checkpoint: architecture, classes, labels, contract, warnings",
    "convert": "a checkpoint to safetensors with its contract, or back to its authors' layout",
    "train": "a model by a recipe, resumable",
}


class _Parser(argparse.ArgumentParser):
    """argparse whose complaints are the user's errors like all others: one sentence, exit code 2, JSON with --json."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; see `{self.prog} --help`")


def main(argv: list[str]) -> int:
    as_json = "--json" in argv
    name = argv[0] if argv and argv[0] in COMMANDS else None

    def action() -> dict[str, Any] | None:
        if name is None:
            chooser = _Parser(prog="python -m poster", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
            chooser.add_argument("command", choices=COMMANDS, help="; ".join(f"{key}: {what}" for key, what in COMMANDS.items()))
            chooser.parse_args(argv[:1])
            return None
        command = importlib.import_module(f"poster.commands.{name}")
        parser = _Parser(prog=f"python -m poster {name}", description=COMMANDS[name])
        command.add_arguments(parser)
        answer, text = command.run(parser.parse_args(argv[1:]))
        if not as_json:
            print(text)
        return answer

    return run(action, as_json)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
