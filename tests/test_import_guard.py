"""The torchvision guard, each time in a clean interpreter: it mends what is broken and leaves alone what works."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def python(program: str, *paths: Path) -> subprocess.CompletedProcess[str]:
    """Run ``program`` in a fresh interpreter that sees ``paths`` first, warnings being errors."""
    lead = f"import sys; sys.path[:0] = {[*map(str, paths), str(ROOT)]!r}\n"
    return subprocess.run([sys.executable, "-W", "error", "-c", lead + program], capture_output=True, text=True, timeout=240)


def said(program: str, *paths: Path) -> str:
    done = python(program, *paths)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_the_package_is_free():
    """No torch, no torchvision; looking for torchvision (as other libraries do to see whether it is there) loads nothing either."""
    program = "import importlib.util, sys, poster, poster.labels; found = importlib.util.find_spec('torchvision'); print(found.name, 'torch' in sys.modules)"
    assert said(program) == "torchvision False"


def test_timm_imports_and_its_models_run():
    program = """
import poster
import timm, torch, torchvision.transforms, torchvision.ops
model = timm.create_model("resnet18", num_classes=3).eval()
print(tuple(model(torch.zeros(1, 3, 32, 32)).shape), torchvision.transforms.Resize(8)(torch.zeros(3, 16, 16)).shape[-1])
"""
    assert said(program) == "(1, 3) 8"


def test_nothing_is_declared_where_torchvision_works():
    """Whichever wheel is installed: the guard declares operators if and only if the bare import fails."""
    bare_works = python("import torchvision").returncode == 0
    assert said("import poster._torchvision_guard as guard, poster, torchvision; print(len(guard._kept))") == str(int(not bare_works))


@pytest.fixture
def pretend(tmp_path) -> Path:
    """A torchvision that needs its operators at import, as the real one does."""
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision/__init__.py").write_text(
        "import torch\n"
        "@torch.library.register_fake('torchvision::nms')\n"
        "def _(dets, scores, iou_threshold): return dets\n"
        "@torch.library.register_fake('torchvision::qnms')\n"
        "def _(dets, scores, iou_threshold): return dets\n"
        "value = 7\n"
    )
    return tmp_path


def test_the_pretended_one_fails_without_the_guard(pretend):
    done = python("import torchvision", pretend)
    assert done.returncode != 0 and "torchvision::nms does not exist" in done.stderr


def test_a_library_that_does_not_load_is_made_up_for(pretend):
    (pretend / "torchvision/_C.so").write_bytes(b"\x7fELF but not for this machine")
    assert said("import poster, torchvision; print(torchvision.value, torchvision.__spec__.origin.endswith('__init__.py'))", pretend) == "7 True"


def test_a_library_that_loads_is_left_to_declare_its_own(pretend):
    """Here the library loads and declares nothing: with the guard keeping out, the import must fail as it would without it."""
    library = importlib.util.find_spec("_json") or importlib.util.find_spec("_ctypes")
    if library is None or not str(library.origin).endswith((".so", ".pyd")):
        library = importlib.util.find_spec("numpy._core._multiarray_umath")
    shutil.copy(str(library.origin), pretend / "torchvision/_C.so")
    done = python("import poster, torchvision", pretend)
    assert done.returncode != 0 and "torchvision::nms does not exist" in done.stderr


def test_installing_twice_leaves_one_finder():
    program = "import poster, sys; poster._torchvision_guard.install(); print(sum('torchvision' in getattr(f, 'around', ()) for f in sys.meta_path))"
    assert said(program) == "1"


def test_where_torchvision_is_absent_the_usual_error_appears(tmp_path):
    done = python("import poster, sys; sys.path[:] = [p for p in sys.path if 'site-packages' not in p]\nimport torchvision")
    assert "ModuleNotFoundError: No module named 'torchvision'" in done.stderr
