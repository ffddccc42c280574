"""What several commands share: the settings, the store, the token of the results, a table of jobs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from leaderboard.config import Config
from leaderboard.status import JobLine
from leaderboard.store import Store, open_store


@contextmanager
def opened() -> Iterator[tuple[Store, Config]]:
    """The store that the environment names, and the settings; closed at the end. Raises InputError for a wrong setting."""
    config = Config.from_environment()
    store = open_store(config.url)
    try:
        yield store, config
    finally:
        store.close()


def results_token() -> str | None:
    """The token that may write the results: FER_RESULTS_TOKEN, else HF_TOKEN."""
    return os.environ.get("FER_RESULTS_TOKEN") or os.environ.get("HF_TOKEN") or None


def table(lines: Sequence[JobLine]) -> str:
    """Jobs as columns for a terminal."""
    if not lines:
        return "No jobs."
    rows = [("job", "model", "benchmark", "state", "done", "tries", "what")]
    for line in lines:
        what = line.message if line.state != "queued" or line.message else f"{line.position} before it"
        done = f"{100 * line.progress:.0f} %" if line.state == "running" else ""
        state = f"{line.state} ({line.fault})" if line.fault else line.state
        rows.append((line.id, line.model, f"{line.benchmark}/{line.protocol}", state, done, str(line.tries), what))
    return columns(rows)


def columns(rows: Sequence[Sequence[Any]]) -> str:
    """Rows of cells, padded to columns; the last one is left as it is."""
    widths = [max(len(str(row[index])) for row in rows) for index in range(len(rows[0]) - 1)]
    return "\n".join("  ".join([*(str(cell).ljust(width) for cell, width in zip(row, widths, strict=False)), str(row[-1])]).rstrip() for row in rows)
