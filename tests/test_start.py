"""What the page needs at start imports without torch: torch alone takes seconds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.sources import ROOT, files, name

LIGHT = ("poster.labels", "poster.contract", "poster.errors", "poster.cli", "poster.photo", "poster.face", "leaderboard.board", "leaderboard.claims")

PROGRAM = """
import importlib, sys
for module in sys.argv[1:]:
    importlib.import_module(module)
    if "torch" in sys.modules:
        sys.exit(f"{module} imports torch")
print("light")
"""


def light_modules() -> list[str]:
    """The named ones that exist, and every module of the pages."""
    named = [module for module in LIGHT if (ROOT / f"{module.replace('.', '/')}.py").is_file()]
    pages = [name(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".") for path in files(".py") if name(path).startswith("space/")]
    return named + pages


def outcome(modules: list[str], folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", PROGRAM, *modules], cwd=folder, capture_output=True, text=True, timeout=240)


def test_no_torch_at_start():
    modules = light_modules()
    assert len(modules) >= 6
    done = outcome(modules)
    assert done.stdout.strip() == "light", done.stderr


@pytest.mark.parametrize(("code", "light"), [("import json", True), ("import torch", False), ("from torch import nn", False)])
def test_the_check_sees_torch(code, light, tmp_path):
    (tmp_path / "torch.py").write_text("nn = None\n")
    (tmp_path / "page.py").write_text(code + "\n")
    done = outcome(["page"], tmp_path)
    assert (done.returncode == 0) == light and ("page imports torch" in done.stderr) != light
