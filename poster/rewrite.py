"""The same network with less work: BatchNorm folded, convolutions in a row made one, attention fused, only the class token where nothing else is read."""

from __future__ import annotations

import copy

import torch
from timm.models.vision_transformer import Block
from torch import Tensor, nn
from torch.nn import functional as F

from poster.backbones import ConvNormAct, IRBackbone, IRUnit
from poster.folding import composed, fold, halves, shifted
from poster.poster_v1 import CrossAttention
from poster.poster_v2 import PosterV2, WindowCrossAttention
from poster.winograd import WinogradConv, fits


def rewritten(model: nn.Module, winograd: bool = False, explained: bool = False) -> nn.Module:
    """A copy of a model in eval mode that computes the same function, up to rounding, with less work; for inference only.

    Attention maps are no longer there to be listened to.
    Weights lie channels-last, which the convolutions are fastest in. winograd: wide 3x3 convolutions compute with fewer multiplications on large
    batches (poster/winograd.py), for float32 on a CPU. explained: passes with gradients at the input are what it is for. A module this file knows
    nothing of is copied as it is.
    """
    model = copy.deepcopy(model).eval().requires_grad_(False)
    for module in list(model.modules()):
        if isinstance(module, ConvNormAct | IRBackbone):
            fold(module if isinstance(module, ConvNormAct) else module.stem, "conv", "bn")
        elif isinstance(module, IRUnit):
            fold(module, "conv2", "bn2")
            fold(module, "conv1", "bn_inner")
            module.conv1, module.bn1 = shifted(module.bn1, module.conv1), nn.Identity()
            if module.shortcut is not None:
                fold(module.shortcut, "conv", "bn")
        for name, child in module.named_children():
            if isinstance(child, WindowCrossAttention):
                setattr(module, name, FusedWindowAttention(child))
            elif isinstance(child, CrossAttention):
                setattr(module, name, FusedCrossAttention(child))
            elif isinstance(child, Block):
                child.attn.fused_attn = True
            elif isinstance(child, nn.PReLU) and explained:
                setattr(module, name, HeldPReLU(child))
    if winograd:
        for module in list(model.modules()):
            for name, child in module.named_children():
                if fits(child):
                    setattr(module, name, WinogradConv(child))
    if isinstance(model, PosterV2):
        model.blocks[-1] = ClassTokenBlock(model.blocks[-1])
        if all(map(halves, model.embed1)):
            model.embed1 = composed(*model.embed1)
    return model.to(memory_format=torch.channels_last)


class FusedWindowAttention(nn.Module):
    """:class:`WindowCrossAttention` in one fused operation, its position bias gathered once."""

    def __init__(self, attention: WindowCrossAttention) -> None:
        super().__init__()
        self.heads, self.kv, self.proj = attention.heads, attention.kv, attention.proj
        self.register_buffer("bias", attention.bias_table[attention.bias_index].permute(2, 0, 1)[None].contiguous())

    def forward(self, tokens: Tensor, landmarks: Tensor) -> Tensor:
        n, length, dim = tokens.shape
        key, value = self.kv(tokens).view(n, length, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        query = landmarks.flatten(2).view(n, self.heads, -1, length).transpose(2, 3)
        read = F.scaled_dot_product_attention(query, key, value, attn_mask=self.bias)
        return self.proj(read.transpose(1, 2).reshape(n, length, dim))


class FusedCrossAttention(nn.Module):
    """:class:`CrossAttention` in one fused operation."""

    def __init__(self, attention: CrossAttention) -> None:
        super().__init__()
        self.heads, self.kv, self.proj = attention.heads, attention.kv, attention.proj

    def forward(self, query: Tensor, context: Tensor) -> Tensor:
        n, length, dim = context.shape
        key, value = self.kv(context).view(n, length, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        read = F.scaled_dot_product_attention(query.view(n, length, self.heads, -1).transpose(1, 2), key, value)
        return self.proj(read.transpose(1, 2).reshape(n, length, dim))


class HeldPReLU(nn.Module):
    """PReLU whose slopes are not learned, for gradients at its input: PyTorch's own works out the slopes' as well, whether or not they are wanted.

    At exactly 0 its gradient is 0.
    """

    def __init__(self, act: nn.PReLU) -> None:
        super().__init__()
        self.weight = act.weight

    def forward(self, x: Tensor) -> Tensor:
        if not x.requires_grad:
            return F.prelu(x, self.weight)
        sign = x.detach().sign()
        return x * (F.prelu(sign, self.weight) * sign)  # a choice between 1 and the slope, by two quick operations instead of a slow one


class ClassTokenBlock(nn.Module):
    """A transformer block of which only the first token is read: (N, T, C) -> (N, 1, C). The others serve as keys and values."""

    def __init__(self, block: Block) -> None:
        super().__init__()
        self.norm1, self.norm2, self.mlp, self.proj, self.heads = block.norm1, block.norm2, block.mlp, block.attn.proj, block.attn.num_heads
        dim = block.attn.qkv.in_features
        self.query, self.kv = nn.Linear(dim, dim), nn.Linear(dim, 2 * dim)
        for layer, part in ((self.query, slice(0, dim)), (self.kv, slice(dim, None))):
            layer.weight, layer.bias = nn.Parameter(block.attn.qkv.weight[part]), nn.Parameter(block.attn.qkv.bias[part])
        self.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        n, length, dim = x.shape
        normed = self.norm1(x)
        key, value = self.kv(normed).view(n, length, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        query = self.query(normed[:, :1]).view(n, 1, self.heads, -1).transpose(1, 2)
        read = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(n, 1, dim)
        first = x[:, :1] + self.proj(read)
        return first + self.mlp(self.norm2(first))
