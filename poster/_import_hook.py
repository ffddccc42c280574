"""Runs other packages' modules inside a context of ours when they are imported, whoever imports them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType

Around = Callable[[ModuleType], AbstractContextManager[None]]  # module.__file__ is known, none of its lines has run


class _Hook(MetaPathFinder):
    """Finds modules of certain names where Python would."""

    def __init__(self, around: Mapping[str, Around]) -> None:
        self.around = dict(around)

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name not in self.around:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(spec.loader.name, spec.loader.path, self.around[name])
        return spec


class _Loader(SourceFileLoader):
    def __init__(self, name: str, path: str, around: Around) -> None:
        super().__init__(name, path)
        self.around = around

    def exec_module(self, module: ModuleType) -> None:
        with self.around(module):
            super().exec_module(module)


def around_import(around: Mapping[str, Around]) -> None:
    """From now on, by module name. Imports nothing now; saying it twice is harmless, and what is imported already stays as it is."""
    if not any(isinstance(finder, _Hook) and finder.around == dict(around) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Hook(around))
