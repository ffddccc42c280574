"""How a running app serves visitors: many at once against one at a time, in turns, through the same address that programs use."""

from __future__ import annotations

import base64
import json
import os
import statistics
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from poster.errors import InputError

PATIENCE = 300  # seconds for one answer: the first waits for the model
JSON = {"Content-Type": "application/json"}
WARM = 8  # questions at once before anything is measured, twice


class NotServed(InputError):
    """A visitor got something else than an answer or "busy", or no answer at all."""


@dataclass(frozen=True)
class Turn:
    """Some seconds of asking. waits: seconds of each answer; busy: how often "busy" was said; seconds: until the last answer;
    cpu: processor seconds of the app meanwhile, None where the system does not say."""

    waits: tuple[float, ...]
    busy: int
    seconds: float
    cpu: float | None

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.waits) / self.seconds


@dataclass(frozen=True)
class Serving:
    """Medians over rounds in which one visitor and ``visitors`` took turns. alone, together: answers a second; ratio: between the two, round by round;
    p95: seconds, of what one of many waits; cpu_alone, cpu_together: processor seconds of the app an answer; memory: MiB before and after."""

    visitors: int
    answers: int
    busy: int
    alone: float
    together: float
    ratio: float
    p95: float
    cpu_alone: float | None
    cpu_together: float | None
    memory: tuple[int, int] | None


def asker(url: str, photo: bytes) -> Callable[[], bool]:
    """A function that asks ``classify_photo`` once and says whether it was answered (False: busy). Raises NotServed, URLError where no app is."""
    address = f"{url}/gradio_api/call/classify_photo"
    body = json.dumps({"data": [base64.b64encode(photo).decode(), "", False]}).encode()

    def ask() -> bool:
        try:
            with urllib.request.urlopen(urllib.request.Request(address, body, JSON), timeout=PATIENCE) as taken:  # noqa: S310
                event = json.loads(taken.read())["event_id"]
            with urllib.request.urlopen(f"{address}/{event}", timeout=PATIENCE) as stream:  # noqa: S310
                said = stream.read().decode()
        except urllib.error.HTTPError as error:
            if error.code == 503:
                return False
            raise NotServed(f"Instead of an answer the app sent the error {error.code}.") from error
        if "event: complete" not in said or '"faces"' not in said:
            raise NotServed(f"Instead of an answer the app sent {said[:200]!r}.")
        return True

    return ask


def turn(ask: Callable[[], bool], visitors: int, seconds: float, pid: int | None = None) -> Turn:
    """``visitors`` ask again and again for so long, each waiting for its answer, each at least once. Raises what ``ask`` raises."""
    waits: list[float] = []
    troubles: list[Exception] = []
    busy, guard = 0, threading.Lock()
    start, before = time.monotonic(), cpu_seconds(pid)

    def visit() -> None:
        nonlocal busy
        while not troubles:
            began = time.monotonic()
            try:
                answered = ask()
            except Exception as error:
                troubles.append(error)
                return
            with guard:
                if answered:
                    waits.append(time.monotonic() - began)
                else:
                    busy += 1
            if time.monotonic() >= start + seconds:
                return

    threads = [threading.Thread(target=visit) for _ in range(visitors)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    if troubles:
        raise troubles[0]
    after = cpu_seconds(pid)
    return Turn(tuple(waits), busy, time.monotonic() - start, None if before is None or after is None else after - before)


def measure(ask: Callable[[], bool], visitors: int = 20, seconds: float = 8.0, rounds: int = 5, pid: int | None = None) -> Serving:
    """Rounds of one visitor and of many, each for so many seconds. pid: the app's process, where its processor time and memory are to be read."""
    for _ in range(2):
        turn(ask, WARM, 0.1)
    before = resident(pid)
    pairs = [(turn(ask, 1, seconds, pid), turn(ask, visitors, seconds, pid)) for _ in range(rounds)]
    after = resident(pid)
    if not all(one.waits for pair in pairs for one in pair):
        raise NotServed("In some turns nobody got an answer; give them longer with --seconds.")
    alone, together = [one for one, _ in pairs], [many for _, many in pairs]
    waits = sorted(wait for many in together for wait in many.waits)
    return Serving(
        visitors,
        answers=sum(len(one.waits) for pair in pairs for one in pair),
        busy=sum(one.busy for pair in pairs for one in pair),
        alone=statistics.median(one.rate for one in alone),
        together=statistics.median(many.rate for many in together),
        ratio=statistics.median(many.rate / one.rate for one, many in pairs),
        p95=waits[int(0.95 * len(waits))],
        cpu_alone=_cpu(alone),
        cpu_together=_cpu(together),
        memory=None if before is None or after is None else (before, after),
    )


def _cpu(turns: list[Turn]) -> float | None:
    """Processor seconds an answer."""
    spent = [one.cpu for one in turns if one.cpu is not None]
    return sum(spent) / sum(len(one.waits) for one in turns) if spent else None


def cpu_seconds(pid: int | None) -> float | None:
    """User and system time of a process so far; None without /proc."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid: int | None) -> int | None:
    """MiB of memory that a process holds; None without /proc."""
    try:
        line = next(one for one in Path(f"/proc/{pid}/status").read_text().splitlines() if one.startswith("VmRSS"))
    except OSError:
        return None
    return int(line.split()[1]) // 1024
