"""Weights and inputs by rule: every entry follows from its official key, so parity with the authors' code needs no weight file.

Uniform numbers from MT19937 seeded with crc32(key), between bounds that keep the activations sane. The expected outputs in
``goldens.json`` came from the authors' code in float64 with the same rule.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping

import numpy as np
import torch

from poster.official import official_names

_CLOSES_RESIDUAL = re.compile(r"(\.res_layer\.[45]|\.model\.\d+\.project\.bn)\.weight$")
_BY_LEAF = {
    "running_mean": (-0.2, 0.2),
    "running_var": (0.8, 1.2),
    "bias": (-0.1, 0.1),
    "gamma1": (0.1, 0.3),
    "gamma2": (0.1, 0.3),
    **dict.fromkeys(("pos_embed", "cls_token", "relative_position_bias_table"), (-0.4, 0.4)),
    "kernel": (-1.0, 1.0),
}


def uniform(name: str, shape: tuple[int, ...], low: float, high: float) -> np.ndarray:
    values = np.random.RandomState(zlib.crc32(name.encode())).random_sample(int(np.prod(shape)))
    return (low + (high - low) * values).astype(np.float32).reshape(shape)


def entry(key: str, shape: tuple[int, ...], has_bias: bool) -> np.ndarray:
    leaf = key.rpartition(".")[2]
    if leaf in _BY_LEAF:
        return uniform(key, shape, *_BY_LEAF[leaf])
    if len(shape) == 1:
        small = not has_bias or _CLOSES_RESIDUAL.search("." + key)
        return uniform(key, shape, *((0.15, 0.35) if small else (0.8, 1.2)))
    gain = {2: 1.0, 3: 0.5, 4: 1.5}[len(shape)]
    bound = float(np.sqrt(3.0 * gain / np.prod(shape[1:])))
    return uniform(key, shape, -bound, bound)


def fill(architecture: str, model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Our model's state dict, filled by the rule under the authors' names."""
    names = official_names(architecture, model.state_dict())
    official = set(names.values())
    state = {}
    for ours, tensor in model.state_dict().items():
        key = names[ours]
        if tensor.is_floating_point():
            state[ours] = torch.from_numpy(entry(key, tuple(tensor.shape), key.rpartition(".")[0] + ".bias" in official))
        else:
            state[ours] = torch.zeros_like(tensor)
    return state


def official_state(architecture: str, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same tensors under the authors' keys."""
    names = official_names(architecture, state)
    return {names[key]: value for key, value in state.items()}


def inputs(side: int) -> dict[str, np.ndarray]:
    """Two normalised batches (2, 3, side, side): independent pixels, and a smooth field with its mirrored, channel-reversed twin."""
    y, x = np.meshgrid(*(np.arange(side, dtype=np.float64) / (side - 1),) * 2, indexing="ij")
    field = 4.0 * np.stack([0.5 * x + 0.5 * y * y, (1.0 - x) * y + 0.25 * x, 4.0 * x * (1.0 - x) * y]) - 2.0
    smooth = np.stack([field, field[::-1, :, ::-1]]).astype(np.float32)
    return {"noise": uniform(f"input.noise.{side}", (2, 3, side, side), -2.0, 2.0), "smooth": smooth}
