"""A module runs inside the context that was given for its name; others, and modules already imported, are left alone."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

from poster._import_hook import _Hook, around_import


@pytest.fixture
def pretend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Modules "hooked_one" and "hooked_other", whose ``seen`` is what ``around`` had added to this module's list by then."""
    for name in ("hooked_one", "hooked_other"):
        (tmp_path / f"{name}.py").write_text("import tests.poster.test_import_hook as here\nseen = list(here.SEEN)\nvalue = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    finders = list(sys.meta_path)
    SEEN.clear()
    yield tmp_path
    sys.meta_path[:] = finders
    for name in ("hooked_one", "hooked_other"):
        sys.modules.pop(name, None)


SEEN: list[str] = []


@contextmanager
def around(module: ModuleType) -> Iterator[None]:
    SEEN.append(f"before {module.__name__}")
    assert module.__file__ is not None and not hasattr(module, "value")
    try:
        yield
    finally:
        SEEN.append("after")


def test_only_the_named_module_runs_inside(pretend: Path) -> None:
    around_import({"hooked_one": around})
    importlib.invalidate_caches()
    assert importlib.import_module("hooked_other").seen == []
    assert importlib.import_module("hooked_one").seen == ["before hooked_one"] and SEEN == ["before hooked_one", "after"]
    assert importlib.import_module("hooked_one").__spec__.origin == str(pretend / "hooked_one.py")


def test_an_error_in_it_leaves_the_context_and_reaches_the_importer(pretend: Path) -> None:
    around_import({"hooked_one": around})
    (pretend / "hooked_one.py").write_text("raise ImportError('no')\n")
    with pytest.raises(ImportError, match="no"):
        importlib.import_module("hooked_one")
    assert SEEN == ["before hooked_one", "after"]


def test_said_twice_it_is_done_once(pretend: Path) -> None:
    before = len(sys.meta_path)
    around_import({"hooked_one": around})
    around_import({"hooked_one": around})
    assert len(sys.meta_path) == before + 1 and isinstance(sys.meta_path[0], _Hook)


def test_a_module_that_is_not_there_is_missed_as_usual(pretend: Path) -> None:
    around_import({"hooked_nowhere": around})
    with pytest.raises(ModuleNotFoundError, match="No module named 'hooked_nowhere'"):
        importlib.import_module("hooked_nowhere")
