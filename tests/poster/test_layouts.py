"""The table of entries: equal to the models it was written from, and to the authors' own state dicts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from poster.layouts import PATH, fold, from_models, layouts, unfold
from poster.official import official_names
from poster.official_export import never_called

MANIFESTS = {
    "poster_small": "poster_small_7", "poster_base": "poster_base_7", "poster_large": "poster_large_7",
    "poster_small_affectnet": "poster_affect_small_7", "poster_base_affectnet": "poster_affect_base_7", "poster_large_affectnet": "poster_affect_large_8",
    "posterpp": "posterpp_8", "adaface_ir18": "adaface_ir_18", "adaface_ir50": "adaface_ir_50", "adaface_ir101": "adaface_ir_101",
}  # fmt: skip


def test_the_table_is_what_the_models_are() -> None:
    assert PATH.read_text() == from_models(), "the models changed; write the table again with `python -m poster.layouts`"


@pytest.mark.parametrize("name", MANIFESTS)
def test_table_and_never_called_layers_make_the_authors_state_dict(name: str, shared: Path) -> None:
    manifest = json.loads((shared / "golden" / "manifests" / f"{MANIFESTS[name]}.json").read_text())["state_dict"]
    layout = layouts()[name]
    classes = int(MANIFESTS[name][-1])
    entries = {**layout.entries, **({} if name.startswith("adaface") else layout.head("linear", classes))}
    names = official_names(name, entries)
    assert {names[key]: shape for key, shape in entries.items()} | never_called(name) == {key: tuple(shape) for key, (_, shape) in manifest.items()}


numbers = st.integers(0, 12)
keys = st.one_of(
    st.builds("blocks.{}.norm.weight".format, numbers), st.builds("stages.{}.{}.conv.weight".format, numbers, numbers), st.sampled_from(["norm.weight", "a.b"])
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(keys, st.lists(st.integers(1, 3), max_size=2).map(tuple)))
def test_folding_loses_nothing(entries: dict[str, tuple[int, ...]]) -> None:
    assert unfold(fold(entries)) == entries


def test_reading_the_table_and_a_checkpoint_needs_no_torch() -> None:
    code = "import sys, poster.checkpoint, poster.layouts; poster.layouts.layouts(); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=PATH.parent.parent, check=True)
