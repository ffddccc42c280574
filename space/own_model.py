"""A visitor's own checkpoint for the Try page: recognised in the confined reader, kept in memory for a while under a name only its visitor knows."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

TITLE = 40  # characters of the file's name that are shown


@dataclass(frozen=True)
class OwnModel:
    """title: how it is called on the page, after the file. model: in eval mode. doubts: what was assumed of its contract, in words."""

    title: str
    model: Any
    doubts: tuple[str, ...]


def read_own(path: Path) -> OwnModel:
    """Any checkpoint that ``python -m poster convert`` accepts. Nothing in it is run. Raises CheckpointError, one sentence."""
    from poster.checkpoint import build, opened
    from poster.errors import CheckpointError
    from poster.identify import UNUSED

    with opened(path) as (tensors, inspection):
        known, contract = inspection.identity, inspection.contract()
        if not contract.labels:
            raise CheckpointError("This is a recognition backbone without an expression head; it gives embeddings, not expressions.")
        model = build(tensors, {ours: raw for raw, ours in known.names.items() if not ours.startswith(UNUSED)}, contract)
    guesses = (("the order of its labels", known.labels), ("its channels", known.channels))
    return OwnModel(f"{path.stem[:TITLE]} (yours)", model, tuple(f"{what} ({guess.why})" for what, guess in guesses if not guess.sure))


def own_html(own: OwnModel) -> str:
    """What the file was recognised as, read out by screen readers."""
    contract = own.model.contract
    said = f"{own.title}: {contract.architecture}, {contract.num_classes} expressions in the order {', '.join(contract.labels)}; channels {contract.channels}."
    doubts = f" Assumed: {'; '.join(own.doubts)}. Convert it with the right ones where this is wrong." if own.doubts else ""
    return f'<p class="note" role="status">{escape(said + doubts)}</p>'
