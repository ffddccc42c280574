"""The frame every command shares: one table of commands a package, exit codes (0 done, 2 the user's input, 1 ours), one JSON object with --json."""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from poster.errors import InputError

log = logging.getLogger(__name__)


class Parser(argparse.ArgumentParser):
    """argparse whose complaints are the user's errors like all others: one sentence, exit code 2, JSON with --json."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; see `{self.prog} --help`")


def dispatch(package: str, about: str | None, commands: Mapping[str, str], argv: Sequence[str]) -> int:
    """Run ``python -m PACKAGE COMMAND``: ``commands`` maps names to what they do, each a module of ``PACKAGE.commands`` imported when asked for.

    A module offers ``add_arguments(parser)`` and ``run(arguments) -> (answer, text)``: the object for --json and the report for people.
    An answer may hold "exit_code". Returns the exit code.
    """
    # Before torch is imported: OpenMP threads that spin make a busy machine many times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    as_json = "--json" in argv
    code = 0

    def action() -> dict[str, Any] | None:
        nonlocal code
        if not argv or argv[0] not in commands:
            chooser = Parser(prog=f"python -m {package}", description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
            chooser.add_argument("command", choices=commands, help="; ".join(f"{name}: {what}" for name, what in commands.items()))
            chooser.parse_args(argv[:1])
            return None
        command = importlib.import_module(f"{package}.commands.{argv[0].replace('-', '_')}")
        parser = Parser(prog=f"python -m {package} {argv[0]}", description=commands[argv[0]])
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        command.add_arguments(parser)
        answer, text = command.run(parser.parse_args(argv[1:]))
        code = answer.pop("exit_code", 0)
        if not as_json and text:
            print(text)
        return answer

    return run(action, as_json) or code


def run(action: Callable[[], dict[str, Any] | None], as_json: bool) -> int:
    """Call ``action``; print its dict as JSON when ``as_json``; turn errors into one sentence and an exit code.

    The sentence goes to stderr, and with ``as_json`` also to stdout as {"error": ...}.
    """
    if os.environ.get("FER_DEBUG"):
        logging.basicConfig(level=logging.DEBUG)
    try:
        result = action()
    except KeyboardInterrupt:
        return _fail("Interrupted; run the command again to continue.", 1, as_json)
    except InputError as error:
        return _fail(str(error), 2, as_json)
    except Exception as error:  # our fault: the log keeps the traceback, the user gets a sentence
        log.debug("unexpected error", exc_info=True)
        return _fail(f"Something went wrong on our side ({type(error).__name__}); run again with FER_DEBUG=1 for the details.", 1, as_json)
    if as_json and result is not None:
        print(json.dumps(result, allow_nan=False))
    return 0


def _fail(sentence: str, code: int, as_json: bool) -> int:
    print(sentence, file=sys.stderr)
    if as_json:
        print(json.dumps({"error": sentence}))
    return code
