"""One try of a claimed job: the weights at hand, a child that evaluates them while somebody looks, and what it ended with."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leaderboard.accepted import Submission, WeightsMissing, obtain_weights
from leaderboard.fetch import HubUnavailable
from leaderboard.held import LOOK_SECONDS, Held
from leaderboard.jobs import Fault
from leaderboard.process import Child, Ended
from leaderboard.verdict import Verdict, read_verdict
from poster.errors import InputError

log = logging.getLogger(__name__)


class Crashed(Exception):
    """The try came to nothing and nobody knows whose fault that is: another one may end well. is_away: the Hub does not answer, so rest before it."""

    def __init__(self, how: str, is_away: bool = False) -> None:
        super().__init__(how)
        self.is_away = is_away


class Overdue(Exception):
    """The evaluation takes longer than any may."""


class MachineTrouble(Exception):
    """A full or broken disk: this machine's affair, no try of the job."""


@dataclass(frozen=True)
class Attempt:
    """look: called every second; what it raises ends the try. deadline: of time.monotonic(), after which ``look`` raises Overdue."""

    held: Held
    submission: Submission
    folder: Path
    device: str
    engine: str
    command: Sequence[str]
    look: Callable[[], None]
    deadline: float

    def verdict(self) -> Verdict:
        """See it through. Raises Crashed, MachineTrouble and what ``look`` raises."""
        config, job = self.held.config, self.held.job
        try:
            self.held.tell(0.0, "fetching the weights")
            weights, sha256 = self.held.meanwhile(lambda: obtain_weights(config, self.submission, self.folder), self.look)
        except WeightsMissing as error:
            return Verdict(fault=Fault.OURS, sentence=str(error))
        except HubUnavailable as error:
            raise Crashed("the Hugging Face Hub did not answer", is_away=True) from error
        except InputError as error:
            return Verdict(fault=Fault.SUBMITTER, sentence=str(error))
        task = {
            "task": "score", "weights": str(weights), "benchmark": job.benchmark, "protocol": job.protocol, "data": config.benchmarks,
            "device": self.device, "out": str(self.folder / "result.json"), "submission": self.submission.id, "engine": self.engine,
            "sample": config.analyses_sample, "seconds": self.deadline - time.monotonic(),
        }  # fmt: skip
        answer = self._watch(task)
        if isinstance(answer, Ended):
            log.warning("job %s: the evaluation %s\n%s", job.id, answer.how, answer.log)
            raise Crashed(f"the evaluation {answer.how}")
        if "broken" in answer:
            raise MachineTrouble(str(answer["broken"]))
        return read_verdict(answer, self.submission, job, self.folder, sha256)

    def _watch(self, task: dict[str, Any]) -> dict[str, Any] | Ended:
        """Run the child to its end; its last answer, or how it ended without one. Once it has stored the scores, they are kept however it ends."""
        journal = self.held.journal
        child = Child(task, self.folder, self.command)
        is_scored = False
        try:
            while True:
                answer = child.wait(LOOK_SECONDS)
                ended = isinstance(answer, Ended) or (answer is not None and answer.keys() & {"done", "refused", "broken"})
                journal.follow(child.log, is_ended=isinstance(answer, Ended))
                try:
                    if ended and answer is not None:
                        return self._scores_stand(answer) if is_scored else answer
                    if isinstance(answer, dict):
                        is_scored = is_scored or bool(answer.get("scored"))
                        self.held.tell(float(answer.get("progress", 0.0)), str(answer.get("message", "")))
                    self.look()
                except Overdue:
                    if not is_scored:
                        raise
                    return self._scores_stand({"broken": "the time for an evaluation was over"})
        finally:
            child.close()
            journal.follow(child.log, is_ended=True)

    def _scores_stand(self, answer: dict[str, Any] | Ended) -> dict[str, Any]:
        """What the child did after it had scored cannot spoil the result: only analyses may be missing, and the file names those."""
        if isinstance(answer, dict) and "done" in answer:
            return answer
        why = f"the process {answer.how}" if isinstance(answer, Ended) else answer.get("broken") or answer.get("refused")
        log.warning("job %s: analyses are missing: %s", self.held.job.id, why)
        self.held.journal.say(f"analyses are missing: {why}; the scores stand")
        return {"done": {}}
