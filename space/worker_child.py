"""``python -m space.worker_child``: the app's own worker; it stops when the app is gone, however that ended."""

from __future__ import annotations

import os
import signal
import sys
import threading

from leaderboard.__main__ import main


def stop_with_parent() -> None:
    """The app holds the other end of stdin; killed with -9 it closes it too, and no orphan goes on evaluating."""
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    os.nice(10)  # less important than the pages
    threading.Thread(target=stop_with_parent, daemon=True).start()
    sys.exit(main(["worker"]))
