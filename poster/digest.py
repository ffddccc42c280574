"""What tells one file of weights from another."""

from __future__ import annotations

import hashlib
from pathlib import Path

from poster.errors import InputError


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, hex. Raises InputError when it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"the weights file {path} cannot be read ({error.strerror}); give the path of a checkpoint") from error
