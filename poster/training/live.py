"""Curves to watch while a run lasts: TensorBoard's event files, written on request beside the run; nothing is served and nothing leaves the machine."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import TracebackType

from poster.errors import InputError

EVERY = 20  # steps between two points of the loss


def check() -> None:
    """Raise InputError where tensorboardX is not installed: better before the data are read than after."""
    if importlib.util.find_spec("tensorboardX") is None:
        raise InputError("live curves are written by the package tensorboardX; install it with `pip install tensorboardX`, or leave --live out")


class Live:
    """Scalars of a run in ``folder``; any viewer of TensorBoard's files shows them. Raises InputError where tensorboardX is not installed.

    A resumed run writes a second file, which viewers join to the first by its steps.
    """

    def __init__(self, folder: Path) -> None:
        check()
        from tensorboardX import SummaryWriter

        self._writer = SummaryWriter(str(folder), flush_secs=5)

    def step(self, step: int, **values: float) -> None:
        """Running values within an epoch; ``step`` counts from the start of the run, from 1. Every twentieth is kept."""
        if step % EVERY == 0:
            for name, value in values.items():
                self._writer.add_scalar(f"step/{name}", value, step)

    def epoch(self, row: dict[str, float]) -> None:
        """A finished epoch's row of the log."""
        for name, value in row.items():
            if name != "epoch":
                self._writer.add_scalar(f"epoch/{name}", value, int(row["epoch"]))
        self._writer.flush()

    def __enter__(self) -> Live:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None) -> None:
        self._writer.close()
