"""POSTER (Zheng et al. 2022): two-stream pyramid cross-fusion of image and landmark tokens at three feature widths."""

from __future__ import annotations

import torch
from timm.layers import DropPath, Mlp
from torch import Tensor, nn

from poster.backbones import IRBackbone, MobileFaceNet, SqueezeGate, nearest_half
from poster.heads import create_head

TOKENS = 50  # a stream: the mean of its 49 tokens, then the 49


class CrossAttention(nn.Module):
    """Queries of one stream over keys and values of the other: (N, 50, C), (N, 50, C) -> (N, 50, C).

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
    """Both streams attend to each other, (N, 100, C) -> (N, 100, C); image tokens first.

    Each stream keeps its own values and is steered by the other's queries; the landmark stream reads the image tokens
    as they were before this block. ``mix`` (the RAF-DB variant) is a 1x1 convolution with the 100 tokens as channels.
    """

    def __init__(self, dim: int, drop_path: float, mix: bool) -> None:
        super().__init__()
        self.norm_image, self.norm_landmark = nn.LayerNorm(dim, eps=1e-6), nn.LayerNorm(dim, eps=1e-6)
        self.attn_image, self.attn_landmark = CrossAttention(dim), CrossAttention(dim)
        self.norm_image_mlp, self.norm_landmark_mlp = nn.LayerNorm(dim, eps=1e-6), nn.LayerNorm(dim, eps=1e-6)
        self.mlp_image, self.mlp_landmark = Mlp(dim, 2 * dim), Mlp(dim, 2 * dim)
        self.drop_path = DropPath(drop_path) if drop_path else nn.Identity()
        self.mix = nn.Conv1d(2 * TOKENS, 2 * TOKENS, 1) if mix else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        image, landmark = x.split(TOKENS, dim=1)
        # One LayerNorm sees both streams; queries are taken from its output.
        for_image = self.norm_image(x)
        for_landmark = self.norm_landmark(x)
        image = image + self.drop_path(self.attn_image(for_image[:, TOKENS:], for_image[:, :TOKENS]))
        image = image + self.drop_path(self.mlp_image(self.norm_image_mlp(image)))
        landmark = landmark + self.drop_path(self.attn_landmark(for_landmark[:, :TOKENS], for_landmark[:, TOKENS:]))
        landmark = landmark + self.drop_path(self.mlp_landmark(self.norm_landmark_mlp(landmark)))
        return self.mix(torch.cat([image, landmark], dim=1))


class PyramidBlock(nn.Module):
    """A fusion block at each width, then the small feeds the medium and the updated medium feeds the large."""

    def __init__(self, dim: int, drop_path: float, mix: bool) -> None:
        super().__init__()
        self.large = FusionBlock(dim, drop_path, mix)
        self.medium = FusionBlock(dim // 2, drop_path, mix)
        self.small = FusionBlock(dim // 4, drop_path, mix)
        self.medium_to_large = nn.ConvTranspose1d(2 * TOKENS, 2 * TOKENS, 2, 2)
        self.small_to_medium = nn.ConvTranspose1d(2 * TOKENS, 2 * TOKENS, 2, 2)

    def forward(self, large: Tensor, medium: Tensor, small: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        large, medium, small = self.large(large), self.medium(medium), self.small(small)
        medium = medium + self.small_to_medium(small)
        return large + self.medium_to_large(medium), medium, small


class PosterV1(nn.Module):
    """POSTER. ``forward``: (N, 3, 224, 224) -> logits (N, K); ``forward_features``: -> gated embedding (N, 512).

    depth: 4, 6, 8 for small, base, large. mix: the RAF-DB variant; the AffectNet variant has none. The image tokens are not
    places: the (256, 14, 14) map is reinterpreted as 49 rows of 1024 values. The landmark tokens (7 x 7) are.
    """

    def __init__(self, num_classes: int = 7, depth: int = 8, mix: bool = True, drop_path: float = 0.1, head: str = "linear") -> None:
        super().__init__()
        dim = 512
        self.num_classes = num_classes
        self.num_features = dim
        self.img_size = 224
        self.landmark_stream = MobileFaceNet(112)
        self.image_stream = IRBackbone((3, 4, 14), (64, 128, 256))
        self.image_proj = nn.Linear(1024, dim)
        self.pos_embed = nn.Parameter(torch.zeros(1, TOKENS, dim))
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        self.to_medium = nn.Conv1d(2 * TOKENS, 2 * TOKENS, 2, 2)
        self.to_small = nn.Conv1d(2 * TOKENS, 2 * TOKENS, 4, 4)
        rates = torch.linspace(0, drop_path, depth, device="cpu").tolist()
        self.blocks = nn.ModuleList(PyramidBlock(dim, rate, mix) for rate in rates)
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.gate = SqueezeGate(dim)
        self.head = create_head(head, dim, num_classes)

    def forward_features(self, images: Tensor) -> Tensor:
        images = nearest_half(images)
        landmark = self.landmark_stream(images)[2].flatten(2).transpose(1, 2)
        image = self.image_proj(self.image_stream(images)[-1].contiguous().view(-1, 49, 1024))
        image = torch.cat([image.mean(dim=1, keepdim=True), image], dim=1) + self.pos_embed
        landmark = torch.cat([landmark.mean(dim=1, keepdim=True), landmark], dim=1)
        large = torch.cat([image, landmark], dim=1)
        medium, small = self.to_medium(large), self.to_small(large)
        for block in self.blocks:
            large, medium, small = block(large, medium, small)
        return self.gate(self.norm(large)[:, 0])

    def forward_head(self, embedding: Tensor) -> Tensor:
        return self.head(embedding)

    def forward(self, images: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(images))
