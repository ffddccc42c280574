"""``python -m poster convert FILE OUT``: a checkpoint to safetensors with its contract, or back to its authors' layout."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from poster.checkpoint import convert
from poster.contract import CHANNELS
from poster.labels import ORDERS
from poster.official_export import to_official


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a checkpoint of any known layout")
    parser.add_argument("out", metavar="OUT", help="the file to write: .safetensors, or .pth/.ckpt with --to official")
    parser.add_argument("--labels", metavar="ORDER", help=f"the label order: {', '.join(ORDERS)}, or a list such as neutral,happiness,...")
    parser.add_argument("--channels", choices=CHANNELS, help="the channel order the network was trained on")
    parser.add_argument("--to", choices=("ours", "official"), default="ours", help="official: the layout the authors' own scripts load")


def run(arguments: argparse.Namespace) -> tuple[dict[str, Any], str]:
    change = to_official if arguments.to == "official" else convert
    inspection = change(arguments.file, arguments.out, labels=arguments.labels, channels=arguments.channels)
    known = inspection.identity
    contract = inspection.contract(arguments.labels, arguments.channels) if known.architecture else None
    warnings = list(known.warnings)
    if contract is None:
        warnings = [f"{known.problem}; its tensors were copied under their own names, without a contract"]
    if arguments.labels is not None:
        warnings = [warning for warning in warnings if not warning.startswith("The label order")]
    if arguments.channels is not None:
        warnings = [warning for warning in warnings if not warning.startswith("The channel order")]
    answer = {
        "out": str(arguments.out),
        "architecture": known.architecture,
        "labels": list(contract.labels) if contract else [],
        "channels": contract.channels if contract else None,
        "source_sha256": inspection.contents.sha256,
        "warnings": warnings,
    }
    summary = f"wrote {Path(arguments.out).name}: {known.architecture or 'an unknown network'}"
    return answer, "\n".join([summary, *(f"warning: {warning}" for warning in warnings)])
