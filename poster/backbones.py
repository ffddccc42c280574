"""The two backbones POSTER, POSTER++ and AdaFace share: the improved ResNet (IR) of ArcFace and MobileFaceNet for 68 landmarks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from poster.heads import create_head
from poster.mirror import Mirrorable


def nearest_half(images: Tensor) -> Tensor:
    """(N, C, S, S) -> (N, C, S // 2, S // 2) by nearest neighbour: pixel (2i, 2j), what F.interpolate's default does from 224 to 112."""
    return images[:, :, ::2, ::2]


class IRUnit(nn.Module):
    """BN, 3x3 conv, (BN), PReLU, 3x3 conv with the stride, BN, plus a shortcut (ArcFace section 3; the inner BN is AdaFace's).

    The shortcut is a strided slice where the widths agree, else a 1x1 convolution with BN.
    """

    def __init__(self, in_channels: int, channels: int, stride: int, inner_norm: bool = False) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, channels, 3, 1, 1, bias=False)
        self.bn_inner = nn.BatchNorm2d(channels) if inner_norm else nn.Identity()
        self.act = nn.PReLU(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.stride = stride
        self.shortcut: nn.Module | None = None
        if in_channels != channels:
            self.shortcut = nn.Sequential()
            self.shortcut.add_module("conv", nn.Conv2d(in_channels, channels, 1, stride, bias=False))
            self.shortcut.add_module("bn", nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        skip = x[:, :, :: self.stride, :: self.stride] if self.shortcut is None else self.shortcut(x)
        x = self.conv1(self.bn1(x))
        return self.bn2(self.conv2(self.act(self.bn_inner(x)))) + skip


class IRBackbone(nn.Module):
    """An IR trunk: stem, then stages whose first unit halves the side.

    depths and channels: units and widths a stage; IR-50 is (3, 4, 14, 3) and (64, 128, 256, 512).
    ``forward`` returns the map after every stage: for (N, 3, 112, 112) sides 56, 28, 14, 7.
    """

    def __init__(self, depths: Sequence[int], channels: Sequence[int], stem: int = 64, inner_norm: bool = False) -> None:
        super().__init__()
        self.stem = nn.Sequential()
        self.stem.add_module("conv", nn.Conv2d(3, stem, 3, 1, 1, bias=False))
        self.stem.add_module("bn", nn.BatchNorm2d(stem))
        self.stem.add_module("act", nn.PReLU(stem))
        self.stages = nn.ModuleList()
        width = stem
        for depth, out in zip(depths, channels, strict=True):
            units = [IRUnit(width if i == 0 else out, out, 2 if i == 0 else 1, inner_norm) for i in range(depth)]
            self.stages.append(nn.Sequential(*units))
            width = out

    def forward(self, images: Tensor) -> list[Tensor]:
        x = self.stem(images)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps


class ConvNormAct(nn.Module):
    """Convolution, BatchNorm and, unless ``act`` is False, PReLU."""

    def __init__(self, in_channels: int, channels: int, kernel: int, stride: int = 1, padding: int = 0, groups: int = 1, act: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, channels, kernel, stride, padding, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(channels)
        self.act = nn.PReLU(channels) if act else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(self.conv(x)))


class Bottleneck(nn.Module):
    """MobileFaceNet's inverted residual: 1x1 to ``hidden``, depthwise 3x3, linear 1x1; with a shortcut where the stride is 1."""

    def __init__(self, in_channels: int, channels: int, hidden: int, stride: int = 1) -> None:
        super().__init__()
        self.expand = ConvNormAct(in_channels, hidden, 1)
        self.depthwise = ConvNormAct(hidden, hidden, 3, stride, 1, groups=hidden)
        self.project = ConvNormAct(hidden, channels, 1, act=False)
        self.residual = stride == 1

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.residual else y


class MobileFaceNet(nn.Module):
    """MobileFaceNet (Chen et al. 2018) as POSTER's landmark stream; ``scale`` narrows every width.

    ``forward`` takes (N, 3, S, S) and returns maps of sides S/4, S/8 and S/16 with 64, 128 and 512 channels (times scale);
    ``landmarks`` turns the last into 68 points. With ``landmark_head=False`` the head is left out.
    """

    def __init__(self, side: int = 112, scale: float = 1.0, landmark_head: bool = False) -> None:
        super().__init__()
        c64, c128, c256, c512 = (int(width * scale) for width in (64, 128, 256, 512))
        self.channels = (c64, c128, c512)
        self.stem = ConvNormAct(3, c64, 3, 2, 1)
        self.stem_depthwise = ConvNormAct(c64, c64, 3, 1, 1, groups=c64)
        self.down1 = Bottleneck(c64, c64, c128, 2)
        self.stage1 = nn.Sequential(*(Bottleneck(c64, c64, c128) for _ in range(4)))
        self.down2 = Bottleneck(c64, c128, c256, 2)
        self.stage2 = nn.Sequential(*(Bottleneck(c128, c128, c256) for _ in range(6)))
        self.down3 = Bottleneck(c128, c128, c512, 2)
        self.stage3 = nn.Sequential(*(Bottleneck(c128, c128, c256) for _ in range(2)))
        self.last = ConvNormAct(c128, c512, 1)
        self.landmark_head = LandmarkHead(c512, side // 16) if landmark_head else None

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        first = self.stage1(self.down1(self.stem_depthwise(self.stem(images))))
        second = self.stage2(self.down2(first))
        return first, second, self.last(self.stage3(self.down3(second)))

    def landmarks(self, images: Tensor) -> Tensor:
        """(N, 3, S, S) -> (N, 68, 2): x and y as fractions of the picture's side. Needs ``landmark_head=True``."""
        assert self.landmark_head is not None
        return self.landmark_head(self(images)[2])


class LandmarkHead(nn.Module):
    """Depthwise convolution over the whole map, then a linear layer with BatchNorm: (N, C, s, s) -> (N, 68, 2)."""

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        self.pool = ConvNormAct(channels, channels, side, groups=channels, act=False)
        self.linear = nn.Linear(channels, 136, bias=False)
        self.bn = nn.BatchNorm1d(136)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.linear(self.pool(x).flatten(1))).view(-1, 68, 2)


class AdaFace(Mirrorable):
    """AdaFace's recognition backbone (Kim et al. 2022): (N, 3, 112, 112) BGR -> embedding of 512 numbers.

    With ``num_classes=0`` ``forward`` returns what recognition needs: the unit embedding (N, 512) and its norm (N, 1),
    the feature norm that AdaFace reads as image quality. With classes a head gives logits (N, K).
    """

    num_features = 512

    def __init__(self, depths: Sequence[int], num_classes: int = 0, head: str = "linear") -> None:
        super().__init__()
        self.trunk = IRBackbone(depths, (64, 128, 256, 512), inner_norm=True)
        self.neck = nn.Sequential()
        self.neck.add_module("bn", nn.BatchNorm2d(512))
        self.neck.add_module("dropout", nn.Dropout(0.4))
        self.neck.add_module("flatten", nn.Flatten())
        self.neck.add_module("linear", nn.Linear(512 * 7 * 7, 512))
        self.neck.add_module("bn_out", nn.BatchNorm1d(512, affine=False))
        self.num_classes = num_classes
        self.head = create_head(head, 512, num_classes)

    def single(self, images: Tensor) -> Tensor:
        """(N, 3, 112, 112) -> embedding (N, 512), its norm still in it."""
        return self.neck(self.trunk(images)[-1])

    def forward_head(self, embedding: Tensor) -> Tensor:
        return self.head(embedding)

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        embedding = self.forward_features(images)
        if self.num_classes:
            return self.forward_head(embedding)
        norm = torch.linalg.vector_norm(embedding, dim=1, keepdim=True)
        return embedding / norm, norm


class SqueezeGate(nn.Module):
    """POSTER's gate on the fused token: x times sigmoid(linear(relu(linear(x)))), (N, D) -> (N, D)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(dim, dim)
        self.linear2 = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.linear2(F.relu(self.linear1(x))))
