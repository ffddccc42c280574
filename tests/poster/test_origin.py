"""Where a converted file came from: a round trip, and metadata that anybody may have written."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from poster.origin import METADATA_KEY, Origin


@pytest.mark.parametrize("origin", [Origin(), Origin("ab" * 32, "posterpp", 7, 92.21, ("labels", "channels"))])
def test_round_trip(origin: Origin) -> None:
    assert Origin.from_metadata(origin.to_metadata()) == origin


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(max_size=200))
def test_anything_else_is_no_origin(text: str) -> None:
    assert Origin.from_metadata({METADATA_KEY: text}) is None


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "null",
        '{"sha256": "x"}',
        '{"sha256": "\\u001b[2J", "layout": "a", "assumed": [], "epoch": null, "best_acc": null}',
        '{"sha256": "a", "layout": "b", "assumed": [], "epoch": NaN, "best_acc": null}',
        '{"sha256": "a", "layout": "b", "assumed": [], "epoch": true, "best_acc": null}',
        '{"sha256": "a", "layout": "b", "assumed": 3, "epoch": 1, "best_acc": null}',
        "[" * 100_000,
    ],
)
def test_forged_origins_are_none(text: str) -> None:
    assert Origin.from_metadata({METADATA_KEY: text}) is None
