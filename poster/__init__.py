"""Facial expression recognition models of the POSTER family, the photos they look at and the data they learn from."""

from __future__ import annotations

from typing import Any

from poster import _torchvision_guard

_torchvision_guard.install()

_LAZY = {"create_model": "poster.models", "ARCHITECTURES": "poster.models", "load_model": "poster.checkpoint"}
__all__ = list(_LAZY)


def __getattr__(name: str) -> Any:
    """``poster.create_model`` and ``poster.load_model`` bring torch in on first use, so that a page can start without it."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)
