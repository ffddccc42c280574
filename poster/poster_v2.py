"""POSTER++ (Mao et al. 2023): window cross-attention of landmark queries over image keys at three levels, then a small transformer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from timm.layers import DropPath, Mlp
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from poster.backbones import IRBackbone, MobileFaceNet, SqueezeGate, nearest_half
from poster.heads import create_head
from poster.mirror import Mirrorable


def relative_position_index(side: int) -> Tensor:
    """(side^2, side^2) index into a bias table of (2 side - 1)^2 rows, as in Swin (Liu et al. 2021, section 3.2)."""
    grid = torch.stack(torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")).flatten(1)
    offset = grid[:, :, None] - grid[:, None, :] + side - 1
    return offset[0] * (2 * side - 1) + offset[1]


class WindowCrossAttention(nn.Module):
    """Attention of landmark queries (N, C, s, s) over image tokens (N, s*s, C) inside one window that is the whole map.

    Both streams index places, so an entry of the map (N, heads, s*s, s*s) says which image place a landmark place reads;
    ``attn_drop`` sees that map and is the place to hook for heatmaps. Queries are the landmark features as they are (section 3.2).
    """

    def __init__(self, dim: int, side: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.scale = (dim // heads) ** -0.5
        self.bias_table = nn.Parameter(torch.zeros((2 * side - 1) ** 2, heads))
        self.register_buffer("bias_index", relative_position_index(side), persistent=False)
        self.kv = nn.Linear(dim, 2 * dim)
        self.attn_drop = nn.Dropout(0.0)
        self.proj = nn.Linear(dim, dim)
        nn.init.trunc_normal_(self.bias_table, std=0.02)

    def forward(self, tokens: Tensor, landmarks: Tensor) -> Tensor:
        n, length, dim = tokens.shape
        key, value = self.kv(tokens).view(n, length, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        query = landmarks.flatten(2).view(n, self.heads, -1, length).transpose(2, 3)
        bias = self.bias_table[self.bias_index].permute(2, 0, 1)
        attention = self.attn_drop(((query * self.scale) @ key.transpose(-2, -1) + bias).softmax(dim=-1))
        return self.proj((attention @ value).transpose(1, 2).reshape(n, length, dim))


class Level(nn.Module):
    """One pyramid level: image map and landmark map of equal side -> tokens (N, s*s, C) fused by cross-attention and an MLP.

    The shortcut is the image token AFTER its LayerNorm, as in the authors' code.
    """

    def __init__(self, dim: int, side: int, heads: int, drop_path: float, layer_scale: float = 1e-5) -> None:
        super().__init__()
        self.down = nn.Conv2d(dim, dim, 3, 2, 1)
        self.norm1 = nn.LayerNorm(dim)
        self.attn = WindowCrossAttention(dim, side, heads)
        self.gamma1 = nn.Parameter(layer_scale * torch.ones(dim))
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim, 4 * dim)
        self.gamma2 = nn.Parameter(layer_scale * torch.ones(dim))
        self.drop_path = DropPath(drop_path) if drop_path else nn.Identity()

    def forward(self, image_map: Tensor, landmark_map: Tensor) -> Tensor:
        tokens = self.norm1(self.down(image_map).flatten(2).transpose(1, 2))
        tokens = tokens + self.drop_path(self.gamma1 * self.attn(tokens, landmark_map))
        return tokens + self.drop_path(self.gamma2 * self.mlp(self.norm2(tokens)))


class PosterV2(Mirrorable):
    """POSTER++. ``forward``: (N, 3, S, S) -> logits (N, K); ``forward_features``: -> embedding (N, embed_dim).

    halve: the network sees every second pixel of its input (224 -> 112), as the authors' does. Level sides are S'/4, S'/8
    and S'/16 with S' the side after halving. landmark_scale narrows MobileFaceNet; its maps are brought to the image
    stream's widths by ``align`` where they differ (the last always by a 3x3 convolution, as in the paper's code).
    """

    def __init__(
        self,
        num_classes: int = 7,
        img_size: int = 224,
        halve: bool = True,
        depths: Sequence[int] = (3, 4, 14),
        channels: Sequence[int] = (64, 128, 256),
        stem: int = 64,
        landmark_scale: float = 1.0,
        heads: Sequence[int] = (2, 4, 8),
        embed_dim: int = 768,
        embed_heads: int = 8,
        depth: int = 2,
        drop_path: Sequence[float] = (0.0, 0.125, 0.25),
        layer_scale: float = 1e-5,
        head: str = "linear",
    ) -> None:
        super().__init__()
        if img_size % (32 if halve else 16):
            raise ValueError(f"img_size {img_size} must be a multiple of {32 if halve else 16}")
        self.halve = halve
        self.num_classes = num_classes
        self.num_features = embed_dim
        self.img_size = img_size
        side = img_size // 2 if halve else img_size
        self.sides = (side // 4, side // 8, side // 16)
        self.landmark_stream = MobileFaceNet(side, landmark_scale)
        self.image_stream = IRBackbone(depths, channels, stem)
        low, mid, high = channels
        from_low, from_mid, from_high = self.landmark_stream.channels
        self.align1 = nn.Identity() if from_low == low else nn.Conv2d(from_low, low, 1)
        self.align2 = nn.Identity() if from_mid == mid else nn.Conv2d(from_mid, mid, 1)
        self.align3 = nn.Conv2d(from_high, high, 3, 1, 1)
        self.levels = nn.ModuleList(Level(*args, layer_scale) for args in zip(channels, self.sides, heads, drop_path, strict=True))
        # Two convolutions without a non-linearity between them, as published.
        self.embed1 = nn.Sequential(nn.Conv2d(low, embed_dim, 3, 2, 1), nn.Conv2d(embed_dim, embed_dim, 3, 2, 1))
        self.embed2 = nn.Conv2d(mid, embed_dim, 3, 2, 1)
        self.embed3 = nn.Conv2d(high, embed_dim, 1)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, embed_dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + 3 * self.sides[2] ** 2, embed_dim))
        nn.init.trunc_normal_(self.cls_token, std=0.02)
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        self.blocks = nn.Sequential(*(FusionBlock(embed_dim, embed_heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(embed_dim, eps=1e-6)
        self.gate = SqueezeGate(embed_dim)
        self.head = create_head(head, embed_dim, num_classes)

    def forward_maps(self, images: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """(N, 3, S, S) -> the image stream's and the landmark stream's three maps."""
        images = nearest_half(images) if self.halve else images
        image_maps, (first, second, third) = self.image_stream(images), self.landmark_stream(images)
        return image_maps, [self.align1(first), self.align2(second), self.align3(third)]

    def fuse(self, image_maps: list[Tensor], landmark_maps: list[Tensor]) -> Tensor:
        """What :meth:`forward_maps` returns -> embedding (N, embed_dim)."""
        tokens = []
        for level, image_map, landmark_map, embed in zip(self.levels, image_maps, landmark_maps, (self.embed1, self.embed2, self.embed3), strict=True):
            fused = level(image_map, landmark_map)
            side = landmark_map.shape[-1]
            fused = fused.transpose(1, 2).reshape(fused.shape[0], -1, side, side)
            tokens.append(embed(fused).flatten(2).transpose(1, 2))
        x = torch.cat([self.cls_token.expand(len(tokens[0]), -1, -1), *tokens], dim=1) + self.pos_embed
        return self.gate(self.norm(self.blocks(x))[:, 0])

    def single(self, images: Tensor) -> Tensor:
        return self.fuse(*self.forward_maps(images))

    def forward_head(self, embedding: Tensor) -> Tensor:
        return self.head(embedding)

    def forward(self, images: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(images))


class FusionBlock(Block):
    """timm's transformer block with its attention written out, so that ``attn.attn_drop`` sees the map (LayerNorm eps 1e-6)."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__(dim, heads, qkv_bias=True, norm_layer=partial(nn.LayerNorm, eps=1e-6))
        self.attn.fused_attn = False
