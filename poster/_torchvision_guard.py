"""Lets torchvision (and so timm) import where a CPU torch meets the CUDA torchvision wheel, and both without torch's compiler."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import ModuleType

from poster._import_hook import around_import
from poster._late_compiler import late_compiler

# The operators torchvision registers Python code for without asking whether its compiled library came up.
_OPERATORS = ("nms", "qnms")
_kept: list[object] = []  # dropping a torch.library.Library undoes its definitions


def install() -> None:
    """Guard the first import of torchvision and timm, whoever makes it."""
    around_import({"torchvision": _with_operators, "timm": _as_it_is})


@contextmanager
def _with_operators(module: ModuleType) -> Iterator[None]:
    declare_missing_operators(Path(str(module.__file__)).parent)
    with late_compiler():
        yield


def _as_it_is(_module: ModuleType) -> AbstractContextManager[None]:
    return late_compiler()


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
