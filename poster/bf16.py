"""Whether a device multiplies bfloat16 itself; where it does not, torch imitates it, and every layer takes longer than in float32."""

from __future__ import annotations

import platform

import torch


def instructions() -> list[str]:
    """The names of this x86 processor's bfloat16 instructions; empty where it has none."""
    known = {"AVX-512 bf16": torch.cpu._is_avx512_bf16_supported(), "AMX bf16": torch.cpu._is_amx_tile_supported()}
    return [name for name, here in known.items() if here]


def native(device: str) -> bool:
    """device: its type, "cpu" or "cuda"; of processors other than x86, and of other devices, nothing is known and True is said."""
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device != "cpu" or platform.machine() not in ("x86_64", "AMD64") or bool(instructions())
