"""Foreign text that no terminal obeys and no reader is fooled by: escape sequences gone, control and direction characters as spaces."""

from __future__ import annotations

import re
from collections.abc import Iterator

_SEARCHED = 1000  # characters of a line that are looked at
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~]?)")


def inert(text: str) -> str:
    """Every line of the text without what is not printable.

    >>> inert("\\x1b[2J\\x1b]0;title\\x07a\\u202eb")
    'a b'
    """
    return "\n".join(printable(line) for line in lines_of(text))


def lines_of(text: str) -> Iterator[str]:
    """Its lines as they end up on a screen: a progress bar overwrites its line, and what it said last counts."""
    for line in text.split("\n"):
        yield from line.rstrip("\r").rpartition("\r")[2].splitlines() or [""]


def printable(line: str) -> str:
    """One line, of which at most 1,000 characters are looked at."""
    return "".join(one if one.isprintable() else " " for one in _ESCAPES.sub("", line[:_SEARCHED])).rstrip()
