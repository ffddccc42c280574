"""What is removed some time: folders of workers and pages that died, weights no job waits for, predictions without a result, old cache files."""

from __future__ import annotations

import logging
import re
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from sqlalchemy import select

from leaderboard.accepted import weights_path
from leaderboard.config import Config
from leaderboard.fetch import HubFile
from leaderboard.store import Store, jobs, results, submissions
from leaderboard.workplace import remove_abandoned
from poster.data.memo import cache_dir

log = logging.getLogger(__name__)

SCRATCH_SECONDS = 6 * 3600.0  # longer than any form stays open and any conversion takes
_CACHED = re.compile(r"[0-9a-f]{32}\.(.+\.)?(npy|json)(\.lock|\..*tmp)?")


def tidy(store: Store, config: Config) -> None:
    """Remove what nothing needs any more; harmless while others work or tidy at the same time. Raises DBAPIError when the database is away.

    Scratch folders go after six hours. Weights, predictions without a result and cached images go when ``config.keep_days`` passed without use.
    """
    old, kept = time.time() - SCRATCH_SECONDS, time.time() - config.keep_days * 86400
    gone = remove_abandoned(config.data)
    gone += _remove(path for path in [*(config.data / "incoming").glob("*"), *(config.data / "weights").glob("tmp*")] if _used(path) < old)
    gone += _remove(path for path in _idle_weights(store, config) if _used(path) < kept)
    gone += _remove(path for path in _resultless(store, config) if _used(path) < kept)
    gone += _remove(path for path in cache_dir().glob("*") if _CACHED.fullmatch(path.name) and _used(path) < kept)
    if gone:
        log.info("removed %d left-over files and folders, such as %s", len(gone), gone[0].name)


def forget_weights(store: Store, config: Config, stored_sha256: str) -> None:
    """Remove stored weights that no waiting or running job needs and that can be fetched again: those that came from the Hub alone."""
    query = select(submissions.c.source, jobs.c.state).outerjoin(jobs, jobs.c.submission == submissions.c.id)
    with store.read() as connection:
        rows = connection.execute(query.where(submissions.c.stored_sha256 == stored_sha256)).all()
    if all(HubFile.parse(row.source) is not None and row.state not in ("queued", "running") for row in rows):
        weights_path(config, stored_sha256).unlink(missing_ok=True)


def _idle_weights(store: Store, config: Config) -> Iterator[Path]:
    """Stored weights that no job waits for. Listed first, asked afterwards: what is queued meanwhile is known to the answer."""
    there = list((config.data / "weights").glob("*.safetensors"))
    query = select(submissions.c.stored_sha256).join(jobs, jobs.c.submission == submissions.c.id).where(jobs.c.state.in_(("queued", "running")))
    with store.read() as connection:
        needed = set(connection.execute(query).scalars())
    return (path for path in there if path.stem not in needed)


def _resultless(store: Store, config: Config) -> Iterator[Path]:
    """Predictions whose result was never stored, as a worker killed between the two leaves them."""
    there = list((config.data / "predictions").glob("*"))
    with store.read() as connection:
        known = set(connection.execute(select(results.c.id)).scalars())
    return (path for path in there if path.stem not in known)


def _remove(paths: Iterable[Path]) -> list[Path]:
    gone = []
    for path in paths:
        try:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("%s stays: %s", path, error.strerror)
        else:
            gone.append(path)
    return gone


def _used(path: Path) -> float:
    """Seconds since 1970 when the file was last written or read; now, where it cannot be told."""
    try:
        stat = path.stat()
    except OSError:
        return time.time()
    return stat.st_mtime if path.is_dir() else max(stat.st_mtime, stat.st_atime)
