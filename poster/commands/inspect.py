"""``python -m poster inspect FILE [--json]``: what is in a checkpoint, without running anything in it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from poster.checkpoint import Inspection, inspect
from poster.identify import SHOWN


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a .pth, .pth.tar, .ckpt or .safetensors file")


def run(arguments: argparse.Namespace) -> tuple[dict[str, Any], str]:
    inspection = inspect(arguments.file)
    return inspection.to_json(), "\n".join(describe(inspection))


def describe(inspection: Inspection) -> Iterator[str]:
    """The report for people, line by line."""
    known, contents = inspection.identity, inspection.contents
    yield f"architecture  {known.architecture or 'not known here'}"
    if known.architecture:
        yield f"classes       {known.num_classes or 'none: a recognition network, to be evaluated as embedding'}, head {known.head}"
        yield f"labels        {', '.join(known.labels.names) or 'unknown'} ({'sure' if known.labels.sure else 'not sure'}: {known.labels.why})"
        yield f"channels      {known.channels.order} ({'sure' if known.channels.sure else 'not sure'}: {known.channels.why})"
        yield f"parameters    {known.parameters:,} in the file, {known.parameters_used:,} of them computed with"
    else:
        yield f"problem       {known.problem}"
        yield from (f"  differs     {entry}" for entry in known.differing[:SHOWN] if known.nearest)
    wrapper = f" under {contents.wrapper!r}" if contents.wrapper else ""
    prefix = f", keys begin with {known.prefix!r}" if known.prefix else ""
    yield f"file          {contents.container}, {contents.size:,} bytes, {len(contents.entries)} entries{wrapper}{prefix}, layout {known.layout}"
    yield f"sha256        {contents.sha256}"
    if known.origin is not None:
        yield f"converted     from layout {known.origin.layout}, sha256 {known.origin.sha256}"
    facts = [f"{name} {value}" for name, value in contents.extras.items() if isinstance(value, int | float | str) and not isinstance(value, bool)]
    facts += [name for name in ("optimizer", "recorder") if contents.extras.get(name)]
    if facts:
        yield f"also holds    {', '.join(facts)}"
    yield from (f"warning       {warning}" for warning in known.warnings if known.nearest)
