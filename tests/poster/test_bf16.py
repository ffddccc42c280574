"""A recipe's bfloat16 is used where the machine has instructions for it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from poster import bf16
from poster.commands.train import as_fast
from poster.training.recipes import RECIPES

RECIPE = RECIPES["posterpp_nano"].override(["bf16=true"])


def flags() -> set[str]:
    lines = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags")]
    return set(lines[0].split()) if lines else set()


@pytest.mark.skipif(not Path("/proc/cpuinfo").is_file() or not flags(), reason="the system does not list this processor's instructions")
def test_the_instructions_are_those_the_system_lists() -> None:
    """amx_tile without amx_bf16 has never been built."""
    assert bf16.instructions() == [name for name, flag in (("AVX-512 bf16", "avx512_bf16"), ("AMX bf16", "amx_tile")) if flag in flags()]


@pytest.mark.parametrize(("machine", "avx", "amx", "native"), [("x86_64", False, False, False), ("x86_64", True, False, True), ("aarch64", False, False, True)])
def test_float32_is_taken_only_where_bfloat16_would_be_imitated(machine: str, avx: bool, amx: bool, native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bf16.platform, "machine", lambda: machine)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    assert bf16.native("cpu") is native
    assert as_fast(RECIPE, ["epochs=3"], "cpu").bf16 is native
    assert as_fast(RECIPE, ["epochs=3"], "mps").bf16
    assert as_fast(RECIPE.override(["bf16=true"]), ["bf16=true"], "cpu").bf16
    assert not as_fast(RECIPE.override(["bf16=false"]), ["bf16=false"], "cpu").bf16


def test_a_gpu_older_than_bfloat16_trains_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """The older ones imitate it, which torch reports as supported unless asked otherwise."""
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation)
    assert not as_fast(RECIPE, [], "cuda").bf16
