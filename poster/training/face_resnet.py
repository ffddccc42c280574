"""dlib's face recognition network as a tutor: it saw three million faces, is in the public domain, and is too large to ship."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from poster.errors import InputError
from poster.training.dlib_file import read_tensors
from poster.training.folded import recall

# Width and stride of every unit after the stem; dlib's last unit, which halves once more, is left out: 96 pixels would leave nothing of a face.
UNITS = (*[(32, 1)] * 3, (64, 2), *[(64, 1)] * 3, (128, 2), *[(128, 1)] * 2, (256, 2), *[(256, 1)] * 2)
LEFT_OUT = 5  # tensors: those of that unit, and the matrix to dlib's 128 numbers
WANTED_MEAN, WANTED_SCALE = 115 / 255, 256 / 255  # dlib takes (pixel - about 115) / 256; its three means differ by colour, which grey has none of


class Unit(nn.Module):
    """Two 3x3 convolutions around a shortcut, which where the side is halved is an average of 2x2 and new channels of zeros."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, 1 if stride == 1 else 0)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1)
        self.bn2 = nn.BatchNorm2d(channels)
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        skip, padded = x, x
        if self.stride == 2:
            # dlib pads nothing; one row and column behind the last keep every side even and the convolution on the shortcut's places.
            padded = F.pad(x, (0, 1 + x.shape[3] % 2, 0, 1 + x.shape[2] % 2))
            skip = F.pad(F.avg_pool2d(x, 2, ceil_mode=True), (0, 0, 0, 0, 0, self.bn1.num_features - x.shape[1]))
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(padded))))) + skip)


class FaceResNet(nn.Module):
    """(N, 3, S, S), normalised with ``mean`` and ``std`` of values in 0..1, -> logits (N, K); it looks at faces twice their size (48 -> 96)."""

    architecture = "face_resnet"
    published, licence = "dlib's face recognition network", "public domain"
    file = "dlib_face_recognition_resnet_model_v1.dat of the package face_recognition_models"
    num_features = 256

    def __init__(self, num_classes: int, mean: float, std: float, dropout: float = 0.3) -> None:
        super().__init__()
        self.mean, self.std = mean, std
        self.conv = nn.Conv2d(3, 32, 7, 2, 3)
        self.bn = nn.BatchNorm2d(32)
        widths = (32, *(width for width, _ in UNITS))
        self.units = nn.Sequential(*(Unit(before, *unit) for before, unit in zip(widths[:-1], UNITS, strict=True)))
        self.dropout = nn.Dropout(dropout)
        self.head: nn.Module = nn.Linear(self.num_features, num_classes)

    def forward_features(self, images: Tensor) -> Tensor:
        """-> embedding (N, 256)."""
        pixels = F.interpolate(images, scale_factor=2.0, mode="bilinear", align_corners=False) * self.std + self.mean
        x = F.relu(self.bn(self.conv((pixels - WANTED_MEAN) / WANTED_SCALE)))
        return self.units(F.max_pool2d(x, 3, 2, 1)).mean(dim=(2, 3))

    def forward_head(self, embedding: Tensor) -> Tensor:
        return self.head(self.dropout(embedding))

    def forward(self, images: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(images))

    def layers(self) -> list[tuple[nn.Conv2d, nn.BatchNorm2d]]:
        """Every convolution with the norm behind it, from the input on."""
        return [(self.conv, self.bn), *(pair for unit in self.units for pair in ((unit.conv1, unit.bn1), (unit.conv2, unit.bn2)))]

    @torch.no_grad()
    def load_published(self, path: Path, images: Tensor) -> None:
        """Take dlib's weights. images (N, 3, S, S): pictures as it will see them, from which its norms get their statistics back.

        dlib publishes the norms folded into a factor and an offset. Trained on like that they would be no norms; with the statistics of
        ``images`` in them, and factor and offset changed to match, they compute the same and can be trained. Leaves the network in evaluation
        mode. Raises InputError.
        """
        tensors = read_tensors(path)
        pairs = self.layers()
        sizes = [size for conv, norm in pairs for size in (conv.weight.numel() + conv.out_channels, 2 * norm.num_features)]
        if [len(tensor) for tensor in tensors[: len(sizes)]] != sizes or len(tensors) != len(sizes) + LEFT_OUT:
            raise InputError(f"{path.name} is not dlib's face recognition network; give dlib_face_recognition_resnet_model_v1.dat")
        for number, (conv, norm) in enumerate(pairs):
            filters, factors = (torch.from_numpy(tensor.copy()) for tensor in tensors[2 * number : 2 * number + 2])
            conv.weight.copy_(filters[: -conv.out_channels].view_as(conv.weight))
            conv.bias.copy_(filters[-conv.out_channels :])
            norm.weight.copy_(factors[: norm.num_features])
            norm.bias.copy_(factors[norm.num_features :])
            norm.running_mean.zero_()
            norm.running_var.fill_(1 - norm.eps)
        recall([norm for _, norm in pairs], self.eval().forward_features, images)
