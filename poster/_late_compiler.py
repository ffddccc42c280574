"""Lets timm and torchvision import without torch's compiler: a second of every cold start, for something no model here needs.

While they are imported, stand-ins answer for ``torch._dynamo`` and its ``utils``. Both packages take one function of them each, which here fetches the
real modules when it is called; so does whatever else is asked of a stand-in.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

DYNAMO, UTILS = "torch._dynamo", "torch._dynamo.utils"


class _StandIn(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what the import system asks of every module
            raise AttributeError(name)
        return getattr(_real(self.__name__), name)


def _is_compile_supported(device_type: Any) -> Any:
    """For torchvision's pooling of regions: whether it may be compiled."""
    return _real(UTILS).is_compile_supported(device_type)


def _disable(fn: Any = None, recursive: bool = True, **options: Any) -> Any:
    """For timm's NaFlex: a function that is never to be compiled."""
    if not inspect.isfunction(fn):
        return _real(DYNAMO).disable(fn, recursive, **options)

    @functools.wraps(fn)
    def never_compiled(*args: Any, **named: Any) -> Any:
        return _real(DYNAMO).disable(fn, recursive, **options)(*args, **named)

    return never_compiled


_OFFERED: dict[str, dict[str, Callable[..., Any]]] = {DYNAMO: {"disable": _disable}, UTILS: {"is_compile_supported": _is_compile_supported}}


@contextmanager
def late_compiler() -> Iterator[None]:
    """Meanwhile torch's compiler is imported only where more of it is used than these two functions; nothing changes where it already is."""
    mine = DYNAMO not in sys.modules
    if mine:
        for name, functions in _OFFERED.items():
            stand_in = _StandIn(name)
            vars(stand_in).update(functions)
            sys.modules[name] = stand_in
    try:
        yield
    finally:
        if mine:
            _withdraw()


def _real(name: str) -> ModuleType:
    _withdraw()
    return importlib.import_module(name)


def _withdraw() -> None:
    for name in _OFFERED:
        if isinstance(sys.modules.get(name), _StandIn):
            del sys.modules[name]
