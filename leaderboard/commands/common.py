"""What several commands share: the settings, the store, log lines on stderr, a table of jobs."""

from __future__ import annotations

import errno
import logging
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy.exc import DBAPIError

from leaderboard.config import Config
from leaderboard.status import JobLine
from leaderboard.store import Store, is_outage, open_store, public_name, reason
from poster.errors import InputError

OURS = ("leaderboard", "eval", "poster")


@contextmanager
def opened() -> Iterator[tuple[Store, Config]]:
    """The store that the environment names, and the settings; closed at the end.

    Raises InputError for a wrong setting, a database that goes away or a disk that is full in between.
    """
    config = Config.from_environment()
    store = open_store(config.url)
    try:
        yield store, config
    except DBAPIError as error:
        if not is_outage(error):
            raise
        raise InputError(
            f"The database {public_name(config.url)} stopped answering ({reason(error)}); see what was done with `status`, then run the command again."
        ) from error
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
            raise
        raise InputError(f"{error.filename or config.data} cannot be written ({error.strerror}); make room, or set FER_DATA to another folder.") from error
    finally:
        store.close()


@contextmanager
def log_lines(level: int, form: str) -> Iterator[None]:
    """Log lines of this project on stderr from ``level`` on, of the libraries from a warning on; as it was before, afterwards."""
    root, handler = logging.getLogger(), logging.StreamHandler(sys.stderr)
    before = root.level
    handler.setFormatter(logging.Formatter(form))
    handler.addFilter(lambda record: record.levelno >= logging.WARNING or record.name.partition(".")[0] in OURS)
    root.addHandler(handler)
    root.setLevel(min(before, level))
    try:
        yield
    finally:
        root.setLevel(before)
        root.removeHandler(handler)


@contextmanager
def scratch_folder(config: Config) -> Iterator[Path]:
    """A folder for what is on its way in; the tidying knows its place, should this process be killed."""
    (incoming := config.data / "incoming").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=incoming) as folder:
        yield Path(folder)


def written(path: str, content: bytes) -> None:
    """Write a file that the user named. Raises InputError where that is not possible."""
    try:
        Path(path).write_bytes(content)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}); name a file in a folder that exists and can be written.") from error


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
