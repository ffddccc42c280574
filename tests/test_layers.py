"""The layer line: poster <- eval <- leaderboard <- space <- app.py. A package imports only from packages to its left."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.sources import PACKAGES, files, imports, name, tree

LAYERS = (*PACKAGES, "app")


def wrong(layer: str, module: ast.Module) -> Iterator[str]:
    """Each import of ``module`` that points to the right of ``layer``, to the tests, or hides the builtin eval."""
    for line, imported, _ in imports(module):
        top = imported.split(".")[0]
        if top == "tests" or (top in LAYERS and LAYERS.index(top) > LAYERS.index(layer)):
            yield f"{line}: {imported}"
        if imported == "eval":
            yield f"{line}: `import eval` hides the builtin; write `from eval.x import y`"
        if imported.startswith("."):
            yield f"{line}: a relative import hides which package it comes from"


@pytest.mark.parametrize("layer", LAYERS)
def test_imports_point_to_the_left(layer):
    ours = [path for path in files(".py") if name(path).split("/")[0] in (layer, f"{layer}.py")]
    assert [f"{name(path)}:{offence}" for path in ours for offence in wrong(layer, tree(path))] == []


def test_the_models_are_there_to_be_checked():
    assert len([path for path in files(".py") if name(path).startswith("poster/")]) > 10


@pytest.mark.parametrize(
    ("layer", "code", "offences"),
    [
        ("poster", "from eval.metrics import accuracy", 1),
        ("poster", "def f():\n    import leaderboard.store", 1),
        ("eval", "from poster.labels import order", 0),
        ("eval", "import space.ui as ui", 1),
        ("leaderboard", "from space import ui\nfrom eval.run import run", 1),
        ("space", "import eval", 1),
        ("app", "from space.ui import build\nfrom leaderboard.store import Store", 0),
        ("space", "from app import main", 1),
        ("eval", "from .metrics import x", 1),
        ("poster", "from tests.sources import files", 1),
    ],
)
def test_the_check_sees_what_it_must(layer, code, offences):
    assert len(list(wrong(layer, ast.parse(code)))) == offences
