"""A PyTorch model compiled by OpenVINO for the CPU it runs on. Optional: imported only when that runtime is chosen."""

from __future__ import annotations

import threading
import warnings
from typing import Any

import torch
from torch import Tensor, nn

from poster.errors import InputError

HINTS = {"float32": "f32", "bfloat16": "bf16"}
SPLIT = 4  # images a thread from which each thread takes its own share of a batch, instead of all sharing every layer


class _Both(nn.Module):
    """The model with its embedding as a second output, where it has one."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        from poster.runtime import both

        logits, embedding = both(self.model, images)
        return logits if embedding is None else (logits, embedding)


class Compiled:
    """Call it with images (N, 3, S, S) float32: logits (N, K) and embedding (N, D) or None. Safe to call from several threads."""

    def __init__(self, model: nn.Module, dtype: str) -> None:
        import openvino

        self._model, self._dtype, self._threads, self._lock = _Both(model).eval(), dtype, torch.get_num_threads(), threading.Lock()
        self._core = openvino.Core()
        self._converted: dict[int, tuple[Any, Any]] = {}
        self._requests: dict[tuple[int, int], list[Any]] = {}

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        streams = self._threads if len(images) >= SPLIT * self._threads else 1
        parts = [part.contiguous().numpy() for part in images.chunk(streams)]
        with self._lock:
            key = images.shape[-1], streams
            if key not in self._requests:
                self._requests[key] = self._compile(*key)
            requests = self._requests[key][: len(parts)]
            for request, part in zip(requests, parts, strict=True):
                request.start_async([part], share_inputs=True)
            for request in requests:
                request.wait()
            outputs = [torch.cat([torch.from_numpy(r.get_output_tensor(i).data) for r in requests]) for i in range(len(self._converted[key[0]][0].outputs))]
        return outputs[0], outputs[1] if len(outputs) > 1 else None

    def _convert(self, side: int) -> tuple[Any, Any]:
        """The network for any number of images of one size, with what holds its weights; by the front end itself, not openvino.convert_model:
        that one reports its use to the makers."""
        import openvino
        from openvino.frontend import FrontEndManager
        from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")  # the tracer's: deprecated, and sizes that are constants here
            traced = torch.jit.trace(self._model, torch.zeros(2, 3, side, side), check_trace=False)
        decoder = TorchScriptPythonDecoder(traced)
        front = FrontEndManager().load_by_framework("pytorch")
        network = front.convert(front.load(decoder))
        network.reshape({network.inputs[0]: openvino.PartialShape([-1, 3, side, side])})
        return network, decoder

    def _compile(self, side: int, streams: int) -> list[Any]:
        """One request a stream. Threads are not pinned to cores: on a machine that others use too, the pinned ones wait."""
        if side not in self._converted:
            self._converted[side] = self._convert(side)
        options = {"INFERENCE_NUM_THREADS": self._threads, "NUM_STREAMS": streams, "ENABLE_CPU_PINNING": False}
        compiled = self._core.compile_model(self._converted[side][0], "CPU", {"INFERENCE_PRECISION_HINT": HINTS[self._dtype], **options})
        actual = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
        if actual != HINTS[self._dtype]:
            raise InputError(f"OpenVINO computes in {actual} on this processor, not in {self._dtype}; choose the dtype float32")
        return [compiled.create_infer_request() for _ in range(streams)]
