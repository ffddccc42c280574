"""A worker's own folder under FER_DATA/work, held by a lock that ends with its process, so that nobody takes a living worker's folder for a dead one's."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from pathlib import Path

FRESH_SECONDS = 60.0  # a folder without a lock may be one that is being made


class Workplace:
    """``work/NAME``: made and locked by :meth:`open`, removed by :meth:`close`."""

    def __init__(self, data: Path, name: str) -> None:
        self.folder = data / "work" / name
        self._lock: int | None = None

    def open(self) -> None:
        """Make the folder and hold it. Raises OSError where it cannot be written."""
        if self._lock is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o666)
            fcntl.flock(self._lock, fcntl.LOCK_EX)

    def close(self) -> None:
        """Remove the folder with all that is in it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def remove_abandoned(data: Path) -> list[Path]:
    """Remove the folders whose worker is gone, killed or with its machine; those removed."""
    gone = [folder for folder in (data / "work").glob("*") if _is_abandoned(folder)]
    for folder in gone:
        shutil.rmtree(folder, ignore_errors=True)
    return gone


def _is_abandoned(folder: Path) -> bool:
    try:
        with (folder / "lock").open("rb+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    except FileNotFoundError:
        return _age(folder) > FRESH_SECONDS
    except OSError:  # held by a living worker, or not ours to judge
        return False


def _age(path: Path) -> float:
    """Seconds since the last change; below 0 where that lies in the future."""
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return -1.0
