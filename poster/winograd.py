"""3x3 convolutions with a third of the multiplications: F(4x4, 3x3) of Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2016)."""

from __future__ import annotations

import threading

import numpy as np
import torch
from numpy.polynomial import polynomial
from torch import Tensor, nn
from torch.nn import functional as F

OUT, IN = 4, 6  # a tile's side after and before the convolution
LEAST_CHANNELS = 128  # with fewer, cutting and joining the tiles costs what the multiplications save
MOST_WORK = 0.35  # of the multiplications: where the last tiles stand out far over the picture, too many are left
TILES = 64  # at a time: with fewer, reading the larger kernels eats the gain; with many more, the cache does not hold them
# Where the polynomials are multiplied, and at infinity. With the usual 0, 1, -1, 2, -2 the rounding errors are twice as large.
POINTS = (0.0, 0.75, -0.75, 1.5, -1.5)


def transforms(points: tuple[float, ...] = POINTS) -> tuple[Tensor, Tensor, Tensor]:
    """Changes of basis of a tile (36, 36), of a kernel (36, 9) and back of the products (16, 36), float64: both axes at once (Toom and Cook)."""
    at = np.array(points)
    others = [np.delete(at, number) for number in range(len(at))]
    into = np.zeros((IN, IN))
    into[:-1, :-1] = [polynomial.polyfromroots(rest) for rest in others]
    into[-1] = polynomial.polyfromroots(at)
    kernel = np.vstack([np.vander(at, 3, increasing=True) / [[np.prod(point - rest)] for point, rest in zip(at, others, strict=True)], [0, 0, 1]])
    back = np.vstack([np.vander(at, OUT, increasing=True), [0, 0, 0, 1]]).T
    first, second, third = (torch.from_numpy(np.kron(matrix, matrix)) for matrix in (into, kernel, back))
    return first, second, third


INPUT, KERNEL, OUTPUT = transforms()
_INPUT, _OUTPUT = INPUT.float(), OUTPUT.float()
_scratch = threading.local()


def fits(module: nn.Module) -> bool:
    """Whether a module is a convolution that this is faster for: 3x3, stride 1, padding 1, one group, wide, float32."""
    return (
        type(module) is nn.Conv2d
        and (module.kernel_size, module.stride, module.padding, module.dilation, module.groups) == ((3, 3), (1, 1), (1, 1), (1, 1), 1)
        and module.padding_mode == "zeros"
        and min(module.in_channels, module.out_channels) >= LEAST_CHANNELS
        and module.weight.dtype == torch.float32
    )


def transformed(weight: Tensor) -> Tensor:
    """Kernels (K, C, 3, 3) -> (36, C, K), four times the memory."""
    return torch.einsum("tp,kcp->tck", KERNEL, weight.detach().double().flatten(2)).float().contiguous()


class WinogradConv(nn.Module):
    """What ``conv`` computes, up to rounding, for inference on a CPU: (N, C, H, W) -> (N, K, H, W), channels-last.

    A small batch or picture goes through ``conv`` itself; the transformed kernels are made for the first that is not.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv
        self.kernels: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        n, _, height, width = x.shape
        rows, columns = -(-height // OUT), -(-width // OUT)
        if n * rows * columns < TILES or IN * IN * rows * columns > MOST_WORK * 9 * height * width:
            return self.conv(x)
        if self.kernels is None:  # two threads may both make them: they make the same
            self.kernels = transformed(self.conv.weight)
        edges = (0, 0, 1, OUT * columns + 1 - width, 1, OUT * rows + 1 - height)
        answer = torch.empty(n, height, width, self.conv.out_channels)
        bias = torch.zeros(()) if self.conv.bias is None else self.conv.bias
        step = -(-TILES // (rows * columns))
        for start in range(0, n, step):
            padded = F.pad(x[start : start + step].permute(0, 2, 3, 1), edges)
            torch.add(_convolved(padded, self.kernels)[:, :height, :width], bias, out=answer[start : start + step])
        return answer.permute(0, 3, 1, 2)


def _convolved(padded: Tensor, kernels: Tensor) -> Tensor:
    """(N, 4 R + 2, 4 L + 2, C) -> (N, 4 R, 4 L, K): a product of 36 matrices between two changes of basis."""
    tiles = padded.unfold(1, IN, OUT).unfold(2, IN, OUT)  # (N, R, L, C, 6, 6)
    n, rows, columns, channels = tiles.shape[:4]
    count, out_channels = n * rows * columns, kernels.shape[2]
    cut = _space("cut", IN, IN, n, rows, columns, channels).copy_(tiles.permute(4, 5, 0, 1, 2, 3))
    inputs = torch.mm(_INPUT, cut.view(IN * IN, -1), out=_space("inputs", IN * IN, count * channels))
    products = torch.bmm(inputs.view(IN * IN, count, channels), kernels, out=_space("products", IN * IN, count, out_channels))
    outputs = torch.mm(_OUTPUT, products.view(IN * IN, -1), out=_space("cut", OUT * OUT, count * out_channels))
    return outputs.view(OUT, OUT, n, rows, columns, out_channels).permute(2, 3, 0, 4, 1, 5).reshape(n, OUT * rows, OUT * columns, out_channels)


def _space(name: str, *shape: int) -> Tensor:
    """This thread's memory of that name, used again and again: fresh memory would cost as much as what is computed in it."""
    size = torch.Size(shape).numel()
    held = getattr(_scratch, name, None)
    if held is None or held.numel() < size:
        with torch.inference_mode(False):  # or it could not be written to outside of that mode
            held = torch.empty(size)
        setattr(_scratch, name, held)
    return held[:size].view(shape)
