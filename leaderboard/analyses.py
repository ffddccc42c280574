"""The analyses of a submission (corruptions, resolution, picture quality): on a seeded sample, within a budget, and never at the cost of its scores."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from pathlib import Path

from eval.analyses import measure
from eval.corruptions import CORRUPTIONS, SEVERITIES
from eval.robustness import SIZES
from eval.run import Progress, Run, with_analyses
from leaderboard.evidence import plain_text
from leaderboard.names import sentence
from poster.errors import InputError

NAMES = ("robustness", "scale", "quality")
PASSES = len(CORRUPTIONS) * len(SEVERITIES) + 1 + len(SIZES)  # of the network for every image of the sample: corruptions, mirrored, sizes
BUDGET = 3.0  # passes and seconds, as multiples of what the scores took
LEAST_SECONDS = 60.0  # scores that took a moment say little about a slow disk or a first import
FEWEST = 8  # images below which a curve says nothing


class TimeOver(Exception):
    """The analyses took the seconds they may."""


def sample_size(wanted: int, images: int, seconds: float, left: float) -> int:
    """Images the analyses use: as many as are wanted and there are, while the network runs at most BUDGET times as often as for the scores.

    That counts passes, so it comes out the same on every machine; only where ``left`` seconds are too few for that, at the ``seconds`` that
    ``images`` took, it is less.

    >>> sample_size(500, 3153, seconds=20, left=3000), sample_size(100, 3153, seconds=20, left=3000), sample_size(500, 3153, seconds=1000, left=1500)
    (189, 100, 94)
    """
    passes = images * min(BUDGET, max(left, 0) / max(seconds, 1e-9))
    return min(wanted, images, int(passes / PASSES))


def add_analyses(run: Run, wanted: int, left: float, out: Path, progress: Progress, note: Callable[[str], None]) -> Run:
    """The run with its analyses, stored in ``out``; what is missing stands there with the reason under "left_out". Raises nothing but OSError of ``out``.

    wanted: images. left: seconds this may take. The file is complete and right whenever this process is killed.
    """
    count = sample_size(wanted, len(run.images), run.result.seconds, left)
    until = time.monotonic() + min(left, max(LEAST_SECONDS, BUDGET * run.result.seconds))
    left_out = dict.fromkeys(NAMES, "It was not finished.")

    def watched(what: str, done: int, total: int) -> None:
        progress(what, done, total)
        if time.monotonic() > until:
            raise TimeOver

    run = with_analyses(run, {"left_out": left_out}, out)
    for name in NAMES:
        found = {}
        try:
            if count < FEWEST:
                raise InputError(f"{count} images are too few, more would cost over {BUDGET:g} times as much as the scores of {len(run.images):,}")
            if time.monotonic() > until:
                raise TimeOver
            note(f"{name} on {count} images")
            found = measure(run, name, count, watched)
            why = ""
        except TimeOver:
            why = "The time for it was over."
        except InputError as error:
            why = sentence(str(error))
        except Exception as error:  # whatever it is, the scores are there and right
            traceback.print_exc()
            why = f"It failed ({type(error).__name__})."
        left_out = {other: reason for other, reason in left_out.items() if other != name} | ({name: plain_text(why)} if why else {})
        run = with_analyses(run, {**found, "left_out": left_out}, out)
        if why:
            note(f"{name} is left out: {why}")
    return run
