"""Publishes beside the work: a thread that empties the outbox after each result and, where the Hub was away, again every ten minutes."""

from __future__ import annotations

import logging
import threading

from leaderboard.config import Config
from leaderboard.publish import publish
from leaderboard.store import Store
from poster.errors import InputError

log = logging.getLogger(__name__)

AGAIN_SECONDS = 600.0  # between tries to empty the outbox without news
CLOSE_SECONDS = 30.0  # how long a worker that stops waits for the last commit; what is not published then waits in the outbox


class Publisher:
    """Start with ``with Publisher(...) as publisher``; ``publisher.nudge()`` tells that there is a new result."""

    def __init__(self, store: Store, config: Config, token: str) -> None:
        self.store, self.config, self.token = store, config, token
        self._news, self._is_closing = threading.Event(), False
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)

    def __enter__(self) -> Publisher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_closing = True
        self._news.set()
        self._thread.join(CLOSE_SECONDS)

    def nudge(self) -> None:
        """Publish soon."""
        self._news.set()

    def _run(self) -> None:
        while True:
            self._news.clear()
            is_last = self._is_closing
            try:
                publish(self.store, self.config, self.token)
            except InputError as error:
                log.warning("not published yet: %s", error)
            except Exception:
                log.exception("not published yet; trying again in %.0f minutes", AGAIN_SECONDS / 60)
            if is_last:
                return
            self._news.wait(AGAIN_SECONDS)
