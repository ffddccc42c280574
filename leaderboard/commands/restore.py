"""``python -m leaderboard restore``: published results back into the store; what is there already is left alone."""

from __future__ import annotations

import argparse
import logging
from dataclasses import asdict
from typing import Any

from leaderboard.commands.common import log_lines, opened
from leaderboard.config import results_token
from leaderboard.publish import restore


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No options: FER_RESULTS_REPO names the data set."""


def run(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    with log_lines(logging.WARNING, "%(message)s"), opened() as (store, config):
        outcome = restore(store, config, results_token())
    return asdict(outcome), f"{outcome.results} results restored, {outcome.present} were there, {outcome.skipped} skipped."
