"""timm and torchvision import without torch's compiler, which comes the moment it is needed. Each time in a clean interpreter."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def said(program: str) -> str:
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=240, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_network_answers_without_the_compiler_and_the_compiler_is_there_when_asked_for():
    program = """
import sys, torch, poster, poster.predict
from poster.attention import heatmap
model = poster.create_model("posterpp_nano", num_classes=8).eval()
heatmap(model, torch.zeros(1, 3, 48, 48))
print("torch._dynamo" in sys.modules)
double = torch.compile(lambda x: 2 * x, backend="eager")
print(double(torch.ones(1)).item(), torch._dynamo.utils.__file__.endswith("utils.py"))
"""
    assert said(program) == "False\n2.0 True"


def test_what_timm_and_torchvision_took_does_what_the_real_ones_do():
    program = """
import sys, torch, poster, timm, torchvision.ops
from timm.models.naflexvit import NaFlexRopeIterator
from torchvision.ops.roi_align import is_compile_supported
late = NaFlexRopeIterator.__next__
assert "torch._dynamo" not in sys.modules
said = is_compile_supported("cpu"), is_compile_supported("meta")
from torch._dynamo.utils import is_compile_supported as real
print(said == (real("cpu"), real("meta")), late.__name__)
"""
    assert said(program) == "True __next__"


def test_a_function_that_is_not_to_be_compiled_is_not():
    program = """
import sys, torch
from poster._late_compiler import late_compiler
seen = []
with late_compiler():
    @torch.compiler.disable
    def plain(x):
        seen.append(torch.compiler.is_compiling())
        return x + 1
    assert type(sys.modules["torch._dynamo"]).__name__ == "_StandIn"
assert "torch._dynamo" not in sys.modules
print(plain(torch.ones(1)).item())
def twice(x):
    return 2 * plain(x)
print(torch.compile(twice, backend="eager")(torch.ones(1)).item(), seen)
"""
    assert said(program) == "2.0\n4.0 [False, False]"


def test_whatever_else_is_asked_for_is_the_real_thing_and_an_error_leaves_nothing_behind():
    program = """
import sys, torch
from poster._late_compiler import late_compiler
with late_compiler(), late_compiler():
    print(torch._dynamo.config.__name__, type(sys.modules["torch._dynamo"]).__name__)
print(type(sys.modules["torch._dynamo"]).__name__)
for name in ("torch._dynamo", "torch._dynamo.utils"):
    del sys.modules[name]
try:
    with late_compiler():
        with late_compiler():
            pass
        print(type(sys.modules["torch._dynamo"]).__name__)
        raise ImportError
except ImportError:
    print("torch._dynamo" in sys.modules, "torch._dynamo.utils" in sys.modules)
"""
    assert said(program) == "torch._dynamo.config module\nmodule\n_StandIn\nFalse False"
