"""Lets Gradio import without parsing its own sources: it renews the stub files that editors read at every start, a second each time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from poster._import_hook import around_import


def install() -> None:
    """For the first import of Gradio, whoever makes it."""
    around_import({"gradio.component_meta": _without_stubs})


@contextmanager
def _without_stubs(module: ModuleType) -> Iterator[None]:
    yield
    vars(module)["create_or_modify_pyi"] = _leave


def _leave(*_: Any) -> None:
    """The stubs that Gradio came with stay as they are."""
