"""Where a converted file came from, kept in its safetensors metadata beside the contract: its source's checksum, layout, epoch, what was assumed."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

METADATA_KEY = "poster.origin"
_WORD = re.compile(r"[\w.+-]{0,64}")


@dataclass(frozen=True)
class Origin:
    """sha256 of the file that was converted; layout: whose files look so; epoch, best_acc (per cent) as that file stated them.

    assumed: which of "labels" and "channels" the contract only proposes, because nobody named them at conversion.
    """

    sha256: str = ""
    layout: str = "unknown"
    epoch: int | None = None
    best_acc: float | None = None
    assumed: tuple[str, ...] = ()

    @classmethod
    def of(cls, sha256: str, layout: str, extras: Mapping[str, Any], assumed: tuple[str, ...]) -> Origin:
        """From what the reader found in the file."""
        epoch, best = extras.get("epoch"), extras.get("best_acc")
        return cls(sha256, layout, epoch if isinstance(epoch, int) else None, float(best) if isinstance(best, int | float) else None, assumed)

    def to_metadata(self) -> dict[str, str]:
        return {METADATA_KEY: json.dumps(dataclasses.asdict(self), sort_keys=True)}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> Origin | None:
        """What :meth:`to_metadata` wrote; None where it is missing or not of that form (the metadata may be anybody's)."""
        try:
            found = json.loads(metadata.get(METADATA_KEY, ""))
            words = (str(found["sha256"]), str(found["layout"]), *map(str, found["assumed"]))
            epoch, best = found["epoch"], found["best_acc"]
            numbers = [number for number in (epoch, best) if number is not None]
            if not all(_WORD.fullmatch(word) for word in words) or not all(type(n) in (int, float) and math.isfinite(n) for n in numbers):
                return None
            return cls(words[0], words[1], epoch if epoch is None else int(epoch), best if best is None else float(best), words[2:])
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
            return None
