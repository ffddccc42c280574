"""What a process that does nothing but train or evaluate asks of the C library."""

from __future__ import annotations

import ctypes

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # names of mallopt(3), from malloc.h
BYTES = 1 << 30  # more than any layer's output at the batches used here


def keep_freed() -> bool:
    """Freed memory stays with the process until it ends; False where the C library is not GNU's.

    By itself glibc hands blocks above 32 MB back at once, and the system clears each page anew for the next layer (docs/speed.md). Not for the app,
    which stays up and gives back what it no longer needs.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return bool(mallopt(MMAP_THRESHOLD, BYTES) and mallopt(TRIM_THRESHOLD, BYTES))
