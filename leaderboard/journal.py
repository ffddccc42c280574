"""What an evaluation said: its last lines, kept with the job for anyone to read, so they are inert and tell nothing of this machine.

A checkpoint's key names and the error texts made of them reach these lines; so may a library's warnings, with folders and settings in them.
"""

from __future__ import annotations

import os
import re
import sysconfig
import time
from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path

from leaderboard.config import ROOT, Config
from leaderboard.inert import lines_of, printable

MOST_LINES, LONGEST_LINE = 200, 300
READ_AT_ONCE = 64 * 1024  # bytes of a child's log; of a child that says more between two looks the last lines count

_SECRETS = (
    (re.compile(r"(?i)((?:token|passw(?:or)?d|secret|(?:api|access|private).?key|authorization)[\"']?\s*[=:]\s*)(?:bearer\s+)?\S+"), r"\1[hidden]"),
    (re.compile(r"(?i)\bbearer\s+\S+"), "[hidden]"),
    (re.compile(r"\b(?:hf|gh[oprsu]|github_pat|glpat|sk|xox[abprs])[_-][\w-]{16,}|\bAKIA[0-9A-Z]{16}\b"), "[hidden]"),
    (re.compile(r"://[^\s/@]+@"), "://"),
)
_SECRET_NAME = re.compile(r"TOKEN|SECRET|PASSW|CREDENTIAL|_KEY$|DATABASE_URL")
_QUOTED = re.compile(r"([\"'])(?:file://)?/[^\"']*?([^\"'/]*)/?\1")
_PLACE = re.compile(r"(?:file://|(?<![\w:/.~<]))/(?=[\w.~-])(?:[^\s/\"'<>|,;:()\[\]{}]*/)*([^\s/\"'<>|,;:()\[\]{}]*)")


def hidden_texts(config: Config, environment: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """What is replaced wherever it stands: secrets of this process, and the folders it works in; longest first."""
    secrets = {value: "[hidden]" for name, value in environment.items() if _SECRET_NAME.search(name) and len(value) > 5}
    ours = {f"{folder}/": "" for folder in (ROOT, *(sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib")))}
    folders = {str(folder): "..." for folder in (config.data, config.data.resolve(), config.benchmarks, Path.home()) if len(str(folder)) > 2}
    return tuple(sorted((folders | ours | secrets).items(), key=lambda pair: -len(pair[0])))


def public_line(line: str, hidden: Iterable[tuple[str, str]] = (), longest: int = LONGEST_LINE) -> str:
    """An inert line without tokens, passwords and the folders of this machine.

    >>> public_line("\\x1b[31mno /home/ann/sets/faces.zip, HF_TOKEN=hf_abc")
    'no .../faces.zip, HF_TOKEN=[hidden]'
    """
    line = printable(line)
    for text, instead in hidden:
        line = line.replace(text, instead)
    for pattern, instead in _SECRETS:
        line = pattern.sub(instead, line)
    line = _PLACE.sub(r".../\1", _QUOTED.sub(r"\1.../\2\1", line))
    return line if len(line) <= longest else line[: longest - 3] + "..."


class Journal:
    """The log of one job. ``kept``: what the store has from tries before. is_new: something was said since it was stored."""

    def __init__(self, config: Config, kept: Iterable[str] = ()) -> None:
        self.lines = deque(kept, maxlen=MOST_LINES)
        self.is_new = False
        self._hidden = hidden_texts(config, os.environ)
        self._read = 0

    @property
    def text(self) -> str:
        """All of it, oldest first."""
        return "\n".join(self.lines)

    def say(self, words: str) -> None:
        """Add what happened, with the time in UTC."""
        now = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
        for line in lines_of(words):
            if clean := public_line(line, self._hidden):
                self.lines.append(f"{now} {clean}")
                self.is_new = True

    def public(self, words: str) -> str:
        """A sentence about the job as the log would have it, at its own length."""
        return public_line(words, self._hidden, len(words))

    def follow(self, path: Path, is_ended: bool = False) -> None:
        """Add the lines that a child wrote into its log since the last look; the last one only when it is complete, or the child ended."""
        try:
            with path.open("rb") as file:
                end = file.seek(0, os.SEEK_END)
                if end - self._read > READ_AT_ONCE:
                    self.say(f"({end - self._read - READ_AT_ONCE:,} bytes left out)")
                    self._read = end - READ_AT_ONCE
                file.seek(self._read)
                fresh = file.read(end - self._read)
        except OSError:
            return
        whole = len(fresh) if is_ended else fresh.rfind(b"\n") + 1
        self._read += whole
        self.say(fresh[:whole].decode(errors="replace"))
