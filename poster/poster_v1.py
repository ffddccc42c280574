"""POSTER (Zheng et al. 2022): two-stream pyramid cross-fusion of image and landmark tokens at three feature widths."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from timm.layers import DropPath, Mlp
from torch import Tensor, nn

from poster.backbones import IRBackbone, MobileFaceNet, SqueezeGate, nearest_half
from poster.heads import create_head
from poster.mirror import Mirrorable


class CrossAttention(nn.Module):
    """Queries of one stream over keys and values of the other: (N, T, C), (N, T, C) -> (N, T, C).

    The queries are the other stream's normalised tokens without a projection. ``attn_drop`` sees the attention map.
    """

    def __init__(self, dim: int, heads: int = 8) -> None:
        super().__init__()
        self.heads = heads
        self.scale = (dim // heads) ** -0.5
        self.kv = nn.Linear(dim, 2 * dim)
        self.attn_drop = nn.Dropout(0.0)
        self.proj = nn.Linear(dim, dim)

    def forward(self, query: Tensor, context: Tensor) -> Tensor:
        n, length, dim = context.shape
        key, value = self.kv(context).view(n, length, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        query = query.view(n, length, self.heads, -1).transpose(1, 2)
        attention = self.attn_drop(((query @ key.transpose(-2, -1)) * self.scale).softmax(dim=-1))
        return self.proj((attention @ value).transpose(1, 2).reshape(n, length, dim))


class FusionBlock(nn.Module):
    """Both streams attend to each other, (N, 2 T, C) -> (N, 2 T, C); image tokens first. tokens: T, those of one stream.

    Each stream keeps its own values and is steered by the other's queries; the landmark stream reads the image tokens
    as they were before this block. ``mix`` (the RAF-DB variant) is a 1x1 convolution with the 2 T tokens as channels.
    """

    def __init__(self, dim: int, drop_path: float, mix: bool, tokens: int) -> None:
        super().__init__()
        self.tokens = tokens
        self.norm_image, self.norm_landmark = nn.LayerNorm(dim, eps=1e-6), nn.LayerNorm(dim, eps=1e-6)
        self.attn_image, self.attn_landmark = CrossAttention(dim), CrossAttention(dim)
        self.norm_image_mlp, self.norm_landmark_mlp = nn.LayerNorm(dim, eps=1e-6), nn.LayerNorm(dim, eps=1e-6)
        self.mlp_image, self.mlp_landmark = Mlp(dim, 2 * dim), Mlp(dim, 2 * dim)
        self.drop_path = DropPath(drop_path) if drop_path else nn.Identity()
        self.mix = nn.Conv1d(2 * tokens, 2 * tokens, 1) if mix else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        image, landmark = x.split(self.tokens, dim=1)
        # One LayerNorm sees both streams; queries are taken from its output.
        for_image = self.norm_image(x).split(self.tokens, dim=1)
        for_landmark = self.norm_landmark(x).split(self.tokens, dim=1)
        image = image + self.drop_path(self.attn_image(for_image[1], for_image[0]))
        image = image + self.drop_path(self.mlp_image(self.norm_image_mlp(image)))
        landmark = landmark + self.drop_path(self.attn_landmark(for_landmark[0], for_landmark[1]))
        landmark = landmark + self.drop_path(self.mlp_landmark(self.norm_landmark_mlp(landmark)))
        return self.mix(torch.cat([image, landmark], dim=1))


class PyramidBlock(nn.Module):
    """A fusion block at each width, then the small feeds the medium and the updated medium feeds the large."""

    def __init__(self, dim: int, drop_path: float, mix: bool, tokens: int) -> None:
        super().__init__()
        self.large = FusionBlock(dim, drop_path, mix, tokens)
        self.medium = FusionBlock(dim // 2, drop_path, mix, tokens)
        self.small = FusionBlock(dim // 4, drop_path, mix, tokens)
        self.medium_to_large = nn.ConvTranspose1d(2 * tokens, 2 * tokens, 2, 2)
        self.small_to_medium = nn.ConvTranspose1d(2 * tokens, 2 * tokens, 2, 2)

    def forward(self, large: Tensor, medium: Tensor, small: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        large, medium, small = self.large(large), self.medium(medium), self.small(small)
        medium = medium + self.small_to_medium(small)
        return large + self.medium_to_large(medium), medium, small


class PosterV1(Mirrorable):
    """POSTER. ``forward``: (N, 3, S, S) -> logits (N, K); ``forward_features``: -> gated embedding (N, embed_dim).

    depth: 4, 6, 8 for small, base, large. mix: the RAF-DB variant; the AffectNet variant has none. The image tokens are not
    places: the (256, 14, 14) map is reinterpreted as 49 rows of 1024 values. The landmark tokens (7 x 7) are.
    halve, depths, channels, stem, landmark_scale: the streams, as in POSTER++ (poster/poster_v2.py); the paper's by default, for 224 pixels.
    embed_dim: the widest level of the pyramid, a multiple of 32.
    """

    def __init__(
        self,
        num_classes: int = 7,
        depth: int = 8,
        mix: bool = True,
        drop_path: float = 0.1,
        head: str = "linear",
        img_size: int = 224,
        halve: bool = True,
        depths: Sequence[int] = (3, 4, 14),
        channels: Sequence[int] = (64, 128, 256),
        stem: int = 64,
        landmark_scale: float = 1.0,
        embed_dim: int = 512,
    ) -> None:
        super().__init__()
        if img_size % (32 if halve else 16) or embed_dim % 32:
            raise ValueError(f"img_size {img_size} must be a multiple of {32 if halve else 16}, embed_dim {embed_dim} of 32")
        self.halve = halve
        self.num_classes = num_classes
        self.num_features = embed_dim
        self.img_size = img_size
        seen = img_size // 2 if halve else img_size
        self.side = seen // 16  # of the landmark map; the image stream's last is twice as wide
        tokens = 1 + self.side**2  # of a stream: the mean of its places, then these
        self.landmark_stream = MobileFaceNet(seen, landmark_scale)
        self.image_stream = IRBackbone(depths, channels, stem)
        width, high = self.landmark_stream.channels[2], channels[-1]
        # The paper's landmark map is as wide as the pyramid. Another goes POSTER++'s way: to the image stream's width, then to the embedding's.
        self.align3 = nn.Identity() if width == embed_dim else nn.Conv2d(width, high, 3, 1, 1)
        self.landmark_proj = nn.Identity() if width == embed_dim else nn.Linear(high, embed_dim)
        self.image_proj = nn.Linear(4 * high, embed_dim)
        self.pos_embed = nn.Parameter(torch.zeros(1, tokens, embed_dim))
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        self.to_medium = nn.Conv1d(2 * tokens, 2 * tokens, 2, 2)
        self.to_small = nn.Conv1d(2 * tokens, 2 * tokens, 4, 4)
        rates = torch.linspace(0, drop_path, depth, device="cpu").tolist()
        self.blocks = nn.ModuleList(PyramidBlock(embed_dim, rate, mix, tokens) for rate in rates)
        self.norm = nn.LayerNorm(embed_dim, eps=1e-6)
        self.gate = SqueezeGate(embed_dim)
        self.head = create_head(head, embed_dim, num_classes)

    def forward_maps(self, images: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """(N, 3, S, S) -> the image stream's maps, and of the landmark stream the last, the only one that POSTER reads."""
        images = nearest_half(images) if self.halve else images
        return self.image_stream(images), [self.align3(self.landmark_stream(images)[2])]

    def fuse(self, image_maps: list[Tensor], landmark_maps: list[Tensor]) -> Tensor:
        """The last map of either stream -> embedding (N, embed_dim)."""
        landmark = self.landmark_proj(landmark_maps[-1].flatten(2).transpose(1, 2))
        image = self.image_proj(image_maps[-1].contiguous().view(-1, self.side**2, self.image_proj.in_features))
        image = torch.cat([image.mean(dim=1, keepdim=True), image], dim=1) + self.pos_embed
        landmark = torch.cat([landmark.mean(dim=1, keepdim=True), landmark], dim=1)
        large = torch.cat([image, landmark], dim=1)
        medium, small = self.to_medium(large), self.to_small(large)
        for block in self.blocks:
            large, medium, small = block(large, medium, small)
        return self.gate(self.norm(large)[:, 0])

    def single(self, images: Tensor) -> Tensor:
        return self.fuse(*self.forward_maps(images))

    def forward_head(self, embedding: Tensor) -> Tensor:
        return self.head(embedding)

    def forward(self, images: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(images))
