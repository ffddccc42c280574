"""Lets torchvision (and so timm) import where a CPU torch meets the CUDA torchvision wheel, and both without torch's compiler."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType

from poster._late_compiler import late_compiler

# The operators torchvision registers Python code for without asking whether its compiled library came up.
_OPERATORS = ("nms", "qnms")
_kept: list[object] = []  # dropping a torch.library.Library undoes its definitions


class _Finder(MetaPathFinder):
    """Finds torchvision and timm where Python would, and has them run as this file wants it."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name not in ("timm", "torchvision"):
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


class _Loader(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        if module.__name__ == "torchvision":
            declare_missing_operators(Path(self.path).parent)
        with late_compiler():
            super().exec_module(module)


def install() -> None:
    """Guard the first import of torchvision and timm, whoever makes it. Imports nothing now; calling it twice is harmless."""
    if "torchvision" not in sys.modules and not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def declare_missing_operators(torchvision_folder: Path) -> None:
    """Declare the schemas torchvision needs at import, if its compiled library does not load beside this torch.

    The CUDA wheel's library needs CUDA's own, which a CPU torch does not bring; ``import torchvision`` then stops at "operator
    torchvision::nms does not exist". Transforms, models and timm never call the two operators, so a schema is enough.
    Where the library loads, nothing changes: torchvision loads the same one a moment later.
    """
    import torch

    for library in torchvision_folder.glob("_C.*"):
        try:
            torch.ops.load_library(str(library))
        except OSError:
            continue
        return
    missing = [operator for operator in _OPERATORS if not hasattr(torch.ops.torchvision, operator)]
    if missing:
        declared = torch.library.Library("torchvision", "FRAGMENT")
        for operator in missing:
            declared.define(operator + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _kept.append(declared)
