"""``python -m leaderboard doctor``: one line for everything this machine needs, green or the sentence that mends it."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

from leaderboard.commands.common import columns
from leaderboard.doctor import examine


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="cpu", help="the device the worker is to use (default: cpu)")


def run(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    findings = examine(options.device)
    well = all(finding.is_well for finding in findings if finding.is_needed)
    signs = {True: "ok", False: "--"}
    text = columns([(signs[f.is_well], f.what, f.found if f.is_well else f.mend) for f in findings])
    return {"ok": well, "findings": [asdict(finding) for finding in findings], "exit_code": 0 if well else 2}, text
