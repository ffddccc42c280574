"""A real worker process with the quick child: `python quick_worker.py [--once]`, settings from the environment as ever."""

import logging
import sys
from pathlib import Path

from leaderboard.config import Config
from leaderboard.store import open_store
from leaderboard.worker import Worker, serve

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    settings = Config.from_environment()
    child = (sys.executable, "-S", str(Path(__file__).with_name("quick_child.py")))
    serve(Worker(open_store(settings.url), settings, command=child), once="--once" in sys.argv)
