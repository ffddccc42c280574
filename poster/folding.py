"""Two linear steps of a network as one convolution, for inference: what a BatchNorm does before or after it, or two convolutions in a row."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold(owner: nn.Module, conv: str, norm: str) -> None:
    """Put the BatchNorm that follows a convolution into its weights."""
    if isinstance(getattr(owner, norm), nn.BatchNorm2d):
        setattr(owner, conv, fuse_conv_bn_eval(getattr(owner, conv), getattr(owner, norm)))
        setattr(owner, norm, nn.Identity())


class MappedConv(nn.Module):
    """A convolution (N, C, H, W) -> (N, K, H', W') and a map (K, H', W') added to all it gives.

    The map is what a shift becomes that came before a zero-padded convolution: missing where that one's kernel stands out over the border. shift:
    (K, 1, h, w), that kernel summed over its inputs times their shifts; it ran over pictures of side H / finer with stride and padding ``how``.
    """

    def __init__(self, conv: nn.Conv2d, shift: Tensor, how: nn.Conv2d, finer: int = 1) -> None:
        super().__init__()
        self.register_buffer("shift", shift.detach())
        self.conv, self.how, self.finer = conv.requires_grad_(False), (how.stride, how.padding, how.dilation), finer
        self.maps: dict[tuple[torch.Size, torch.dtype, torch.device], Tensor] = {}

    def forward(self, x: Tensor) -> Tensor:
        key = (x.shape[-2:], x.dtype, x.device)
        if key not in self.maps:  # two threads may both make it: they make the same
            ones = x.new_ones(1, 1, *(side // self.finer for side in x.shape[-2:]))
            self.maps[key] = F.conv2d(ones, self.shift, None, *self.how).contiguous(memory_format=torch.channels_last)
        return self.conv(x).add_(self.maps[key])


def shifted(norm: nn.BatchNorm2d, conv: nn.Conv2d) -> MappedConv:
    """A BatchNorm in eval mode and the convolution after it, whose padding is zero after the norm, not before."""
    assert norm.running_var is not None and norm.running_mean is not None
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    shift = norm.bias - norm.running_mean * scale
    both = _like(conv, conv.weight * scale[:, None, None], conv.stride, conv.padding)
    return MappedConv(both, (conv.weight * shift[:, None, None]).sum(dim=1, keepdim=True), conv)


def composed(first: nn.Conv2d, second: nn.Conv2d) -> MappedConv:
    """Two 3x3 convolutions that each halve a side, the side a multiple of 4: one of 7x7 that does so twice, with a third of the multiplications of
    POSTER++'s. What the second one reads beyond the border the first one would have made of zeros alone; its bias is then the map's business."""
    weight = F.conv_transpose2d(second.weight.double(), first.weight.double(), stride=2).to(second.weight.dtype)  # (K, C, 7, 7)
    both = _like(second, weight, (4, 4), (3, 3))
    bias = second.weight.new_zeros(first.out_channels) if first.bias is None else first.bias
    return MappedConv(both, (second.weight * bias[:, None, None]).sum(dim=1, keepdim=True), second, finer=2)


def halves(conv: nn.Module) -> bool:
    """Whether a module is a 3x3 convolution that halves a side, its zero padding one pixel wide."""
    return type(conv) is nn.Conv2d and (conv.kernel_size, conv.stride, conv.padding, conv.groups, conv.padding_mode) == ((3, 3), (2, 2), (1, 1), 1, "zeros")


def _like(conv: nn.Conv2d, weight: Tensor, stride: tuple[int, ...], padding: tuple[int, ...] | str) -> nn.Conv2d:
    """A convolution with the bias of ``conv`` and another weight (K, C, h, w)."""
    other = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[2:], stride, padding, bias=conv.bias is not None)
    other.weight = nn.Parameter(weight.detach(), requires_grad=False)
    other.bias = None if conv.bias is None else nn.Parameter(conv.bias.detach(), requires_grad=False)
    return other
