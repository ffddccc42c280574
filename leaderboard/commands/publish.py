"""``python -m leaderboard publish``: what the outbox holds into FER_RESULTS_REPO."""

from __future__ import annotations

import argparse
import logging
from typing import Any

from leaderboard.commands.common import log_lines, opened
from leaderboard.config import results_token
from leaderboard.publish import publish


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No options: FER_RESULTS_REPO names the data set, FER_RESULTS_TOKEN (or HF_TOKEN) may write it."""


def run(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    with log_lines(logging.WARNING, "%(message)s"), opened() as (store, config):
        count = publish(store, config, results_token())
    return {"published": count, "repo": config.results_repo}, f"{count} results published to {config.results_repo}." if count else "Nothing to publish."
