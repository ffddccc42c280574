"""The frame every command shares: exit codes (0 done, 2 the user's input, 1 ours), one JSON object on stdout with --json."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from typing import Any

from poster.errors import InputError

log = logging.getLogger(__name__)


def run(action: Callable[[], dict[str, Any] | None], as_json: bool) -> int:
    """Call ``action``; print its dict as JSON when ``as_json``; turn errors into one sentence and an exit code.

    The sentence goes to stderr, and with ``as_json`` also to stdout as {"error": ...}.
    """
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
