"""``python -m eval COMMAND``: the table of commands; each lives in `eval/commands` and is imported only when asked for."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from typing import Any, NoReturn

from poster.cli import run
from poster.errors import InputError

COMMANDS = {
    "benchmarks": "which benchmarks exist, which are here, how to get the others",
    "score": "a checkpoint on a benchmark: scores, intervals, diagnosis",
    "compare": "is the difference between two results real?",
    "rank": "several results on one benchmark: ranks and tie groups",
    "rescore": "every score again from stored predictions, without the model",
    "report": "a stored result as one self-contained HTML page",
    "card": "the model card of a checkpoint trained here, from its results",
    "verify": "a recognition backbone on pair sets (LFW, CFP-FP, AgeDB-30 ...)",
    "linear-probe": "an embedding's worth for expressions: a linear classifier on the training part",
    "crop": "cut the faces out of a data set of whole pictures (CAER-S)",
}


class Parser(argparse.ArgumentParser):
    """argparse whose complaints are the user's errors like all others: one sentence, exit code 2, JSON with --json."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; see `{self.prog} --help`")


def main(argv: list[str]) -> int:
    """Run one command; the exit code is 0 done, 2 the user's input, 1 ours."""
    # Before torch is imported: OpenMP threads that spin make a busy machine many times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    as_json = "--json" in argv
    name = argv[0] if argv and argv[0] in COMMANDS else None

    def action() -> dict[str, Any] | None:
        if name is None:
            chooser = Parser(prog="python -m eval", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
            chooser.add_argument("command", choices=COMMANDS, help="; ".join(f"{key}: {what}" for key, what in COMMANDS.items()))
            chooser.parse_args(argv[:1])
            return None
        command = importlib.import_module(f"eval.commands.{name.replace('-', '_')}")
        parser = Parser(prog=f"python -m eval {name}", description=COMMANDS[name])
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        command.add_arguments(parser)
        answer, text = command.run(parser.parse_args(argv[1:]))
        if not as_json:
            print(text)
        return answer

    return run(action, as_json)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
