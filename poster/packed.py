"""Large convolutions and matrix products whose weights lie, from the first call on, as oneDNN wants them. A plain layer lays them anew in every call, which
for one picture is a tenth of a large network's time, and more where the arithmetic is faster."""

from __future__ import annotations

import platform
from abc import abstractmethod
from functools import lru_cache

import torch
from torch import Tensor, nn

LEAST_WEIGHTS = 2**19  # with fewer, what a call of these operations costs more than F.conv2d's is all that is gained


@lru_cache(maxsize=1)
def possible() -> bool:
    """Whether this build of torch has the operations, those of its own compiler, and this processor is of the kind they are made for."""
    needed = ("_convolution_pointwise", "_linear_pointwise", "_reorder_convolution_weight", "_reorder_linear_weight", "_is_mkldnn_bf16_supported")
    return platform.machine().lower() in ("x86_64", "amd64") and torch.backends.mkldnn.is_available() and all(hasattr(torch.ops.mkldnn, one) for one in needed)


def _dtypes() -> tuple[torch.dtype, ...]:
    """What these operations take here: in bfloat16, unlike plain layers, they refuse a processor without the vector instructions for it."""
    return (torch.float32, torch.bfloat16) if torch.ops.mkldnn._is_mkldnn_bf16_supported() else (torch.float32,)


def packed(model: nn.Module) -> nn.Module:
    """The same model on the CPU, for inference only, the large layers in it in their packed form; as it is where that is not possible."""
    if possible():
        for module in list(model.modules()):
            for name, child in module.named_children():
                if _fits(child):
                    setattr(module, name, PackedConv(child) if isinstance(child, nn.Conv2d) else PackedLinear(child))
    return model


def _fits(module: nn.Module) -> bool:
    if type(module) not in (nn.Conv2d, nn.Linear) or (type(module) is nn.Conv2d and (module.padding_mode != "zeros" or isinstance(module.padding, str))):
        return False
    weight = module.weight
    return isinstance(weight, Tensor) and weight.dtype in _dtypes() and weight.numel() >= LEAST_WEIGHTS


class _Packed(nn.Module):
    """A layer's weight, plain until the first picture says what it is laid for; then only laid."""

    def __init__(self, layer: nn.Conv2d | nn.Linear) -> None:
        super().__init__()
        self.bias = layer.bias
        self._plain: Tensor | None = layer.weight.detach()
        self._laid: Tensor | None = None

    @property
    def weight(self) -> Tensor:
        """As it came."""
        plain = self._plain
        if plain is not None:
            return plain
        assert self._laid is not None
        return self._laid.to_dense()

    def laid_for(self, x: Tensor) -> Tensor:
        """The weight for pictures or rows like ``x``; for others it serves as well, if more slowly."""
        plain = self._plain
        if plain is not None:  # several threads may do it: they do the same
            self._laid = self.lay(plain, x)
            self._plain = None
        assert self._laid is not None
        return self._laid

    @abstractmethod
    def lay(self, weight: Tensor, x: Tensor) -> Tensor:
        """``weight`` laid for pictures or rows like ``x``."""


class PackedConv(_Packed):
    """What ``conv`` computes: (N, C, H, W) -> (N, K, H', W')."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__(conv)
        self.out_channels = conv.out_channels
        self.how = [list(conv.padding), list(conv.stride), list(conv.dilation), conv.groups]

    def lay(self, weight: Tensor, x: Tensor) -> Tensor:
        return torch.ops.mkldnn._reorder_convolution_weight(weight, *self.how, list(x.shape))

    def forward(self, x: Tensor) -> Tensor:
        return torch.ops.mkldnn._convolution_pointwise.default(x, self.laid_for(x), self.bias, *self.how, "none", [], "")


class PackedLinear(_Packed):
    """What ``linear`` computes: (..., C) -> (..., K)."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__(linear)
        self.in_features = linear.in_features

    def lay(self, weight: Tensor, x: Tensor) -> Tensor:
        return torch.ops.mkldnn._reorder_linear_weight(weight, x.numel() // x.shape[-1])

    def forward(self, x: Tensor) -> Tensor:
        return torch.ops.mkldnn._linear_pointwise.default(x, self.laid_for(x), self.bias, "none", [], "")
