"""A forward pass recorded as a CUDA graph: one launch in place of a thousand, which small batches wait for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Outputs = tuple[Tensor, Tensor | None]
WARM_UP = 3  # calls in which libraries choose and allocate; a graph may not hold them


class Graphed:
    """``call`` on batches of up to ``batch`` images (n, 3, S, S) on ``device``; fewer are filled up, more go through ``call`` itself.

    A graph is recorded at the first batch of each image size. Safe to call from several threads.
    """

    def __init__(self, call: Callable[[Tensor], Outputs], device: torch.device, batch: int) -> None:
        self._call, self._device, self._batch, self._lock = call, device, batch, threading.Lock()
        self._recorded: dict[tuple[int, ...], tuple[Any, Tensor, Outputs]] = {}

    def __call__(self, images: Tensor) -> Outputs:
        if len(images) > self._batch:
            return self._call(images)
        with self._lock, torch.inference_mode():
            size = tuple(images.shape[1:])
            if size not in self._recorded:
                self._recorded[size] = self._record(images)
            graph, fixed, (logits, embedding) = self._recorded[size]
            fixed[: len(images)].copy_(images)
            graph.replay()
            return logits[: len(images)].clone(), None if embedding is None else embedding[: len(images)].clone()

    def _record(self, images: Tensor) -> tuple[Any, Tensor, Outputs]:
        fixed = images.new_zeros((self._batch, *images.shape[1:])).contiguous(memory_format=torch.channels_last)
        side = torch.cuda.Stream(self._device)
        side.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(side):
            for _ in range(WARM_UP):
                self._call(fixed)
        torch.cuda.current_stream(self._device).wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            outputs = self._call(fixed)
        return graph, fixed, outputs
