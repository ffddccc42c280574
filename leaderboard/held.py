"""A job that a worker holds: beats when they are due, and patience with a database that is away for less than the lease."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import DBAPIError

from leaderboard import lease
from leaderboard.config import Config
from leaderboard.inert import inert
from leaderboard.jobs import Job
from leaderboard.journal import Journal
from leaderboard.lease import LeaseLost
from leaderboard.status import job_log
from leaderboard.store import Store, is_outage

log = logging.getLogger(__name__)
T = TypeVar("T")

LOOK_SECONDS = 1.0  # between looks at the job's row
NEWS_SECONDS = 2.0  # between beats that only tell how far the job is


class Held:
    """A claimed job and its log. Every method that speaks to the store raises LeaseLost once the job is no longer this worker's."""

    def __init__(self, store: Store, config: Config, job: Job) -> None:
        self.store, self.config, self.job = store, config, job
        self.renewed = time.monotonic()
        self.spoken = self.looked = self.renewed
        self.progress, self.message, self.is_news = 0.0, job.message, False
        self.journal = Journal(config)

    def recall(self) -> None:
        """Go on in the log of the tries before."""
        self.journal = Journal(self.config, self.insist(lambda: job_log(self.store, self.job.id)))

    def tell(self, progress: float, message: str) -> None:
        """Remember how far the job is, for the next beat."""
        message = inert(message).replace("\n", " ")
        self.is_news = self.is_news or (progress, message) != (self.progress, self.message)
        self.progress, self.message = min(max(progress, 0.0), 1.0), message

    def look(self) -> None:
        """Beat when there is news or it is time; else only see, every second, whether the job was cancelled. Raises Cancelled, LeaseLost."""
        now = time.monotonic()
        if now - self.looked < LOOK_SECONDS:
            return
        self.looked = now
        due = now - self.spoken >= (NEWS_SECONDS if self.is_news or self.journal.is_new else self.config.beat)
        try:
            if due:
                lease.beat(self.store, self.config, self.job, self.progress, self.message, self.journal.text if self.journal.is_new else "")
                self.journal.is_new = False
                self.renewed = self.spoken = now
                self.is_news = False
            else:
                lease.check(self.store, self.job)
        except DBAPIError as error:
            if not is_outage(error):
                raise
            log.warning("job %s: the database does not answer, %.0f s after the last beat", self.job.id, now - self.renewed)
            if now - self.renewed > self.config.lease:
                raise LeaseLost(self.job.id) from error

    def insist(self, word: Callable[[], T]) -> T:
        """What ``word`` returns, called again and again while the database is away or full, until the lease is past. Raises LeaseLost."""
        while True:
            try:
                return word()
            except DBAPIError as error:
                if not is_outage(error):
                    raise
                if time.monotonic() - self.renewed > self.config.lease:
                    raise LeaseLost(self.job.id) from error
                log.warning("job %s: the database does not answer; trying again", self.job.id)
                time.sleep(LOOK_SECONDS)

    def end(self, words: str, word: Callable[[str], None]) -> None:
        """Say how it ended and give the whole log to ``word``, which ends the job, as :meth:`insist` does."""
        self.journal.say(words)
        self.insist(lambda: word(self.journal.text))

    def meanwhile(self, work: Callable[[], T], look: Callable[[], None]) -> T:
        """What ``work`` returns or raises, done in a thread; ``look`` is called every second until then, and what it raises leaves the thread behind."""
        returned: list[T] = []
        raised: list[BaseException] = []

        def run() -> None:
            try:
                returned.append(work())
            except BaseException as error:
                raised.append(error)

        thread = threading.Thread(target=run, name=f"job {self.job.id}", daemon=True)
        thread.start()
        while thread.is_alive():
            thread.join(LOOK_SECONDS)
            look()
        if raised:
            raise raised[0]
        return returned[0]
