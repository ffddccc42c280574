"""A PyTorch model compiled by OpenVINO for the CPU it runs on. Optional: imported only when that runtime is chosen."""

from __future__ import annotations

import threading
import warnings

import torch
from torch import Tensor, nn

from poster.errors import InputError

HINTS = {"float32": "f32", "bfloat16": "bf16"}


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
    """Call it with images (N, 3, S, S) float32: logits (N, K) and embedding (N, D) or None."""

    def __init__(self, model: nn.Module, side: int, dtype: str) -> None:
        # The front end itself, not openvino.convert_model: that one reports its use to the makers.
        import openvino
        from openvino.frontend import FrontEndManager
        from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")  # the tracer's: deprecated, and sizes that are constants here
            traced = torch.jit.trace(_Both(model).eval(), torch.zeros(2, 3, side, side), check_trace=False)
        decoder = TorchScriptPythonDecoder(traced)  # the front end keeps no reference to it
        front = FrontEndManager().load_by_framework("pytorch")
        converted = front.convert(front.load(decoder))
        converted.reshape({converted.inputs[0]: openvino.PartialShape([-1, 3, side, side])})
        options = {"INFERENCE_PRECISION_HINT": HINTS[dtype], "INFERENCE_NUM_THREADS": torch.get_num_threads(), "NUM_STREAMS": 1}
        compiled = openvino.Core().compile_model(converted, "CPU", options)
        actual = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
        if actual != HINTS[dtype]:
            raise InputError(f"OpenVINO computes in {actual} on this processor, not in {dtype}; choose the dtype float32")
        self._request, self._outputs, self._lock = compiled.create_infer_request(), len(compiled.outputs), threading.Lock()

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        with self._lock:
            self._request.infer([images.contiguous().numpy()], share_inputs=True)
            logits, *embedding = (torch.from_numpy(self._request.get_output_tensor(i).data.copy()) for i in range(self._outputs))
        return logits, embedding[0] if embedding else None
