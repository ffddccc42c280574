"""A layer's memory is taken once, not once a batch."""

from __future__ import annotations

import subprocess
import sys

import pytest

LOOP = """
import resource, sys, torch
from poster.memory import keep_freed
if sys.argv[1] == "kept" and not keep_freed():
    sys.exit(77)
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(12):
    torch.zeros(100 << 18)  # 100 MB, as the first layer of POSTER++ at batch 32; small blocks between two of them move the first ones
before = faults()
for _ in range(5):
    torch.zeros(100 << 18)
print(faults() - before)
"""


def faults(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", LOOP, how], capture_output=True, text=True)
    if done.returncode == 77:
        pytest.skip("the C library is not GNU's")
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_the_system_clears_the_pages_of_a_layer_once() -> None:
    by_itself, kept = faults("by itself"), faults("kept")
    assert by_itself > 0
    assert kept < by_itself / 10
