"""Inside the reader's child process: from whatever torch.load returned to checked tensors in a safetensors file."""

from __future__ import annotations

import json
import math
import struct
from itertools import pairwise
from typing import Any

MAX_ENTRIES, MAX_KEY, MAX_DIMENSIONS = 20_000, 300, 8
WRAPPERS = ("state_dict", "model_state_dict", "model")
CHUNK = 4 << 20  # bytes written at once

RECORDERS = ("recorder", "recorder1")
OPTIMIZERS = ("optimizer", "optimizer_state_dict", "optimizer_states", "optim")

# dtype of torch -> its name in safetensors. Weights are these; anything else (complex, quantised, float8) is refused.
DTYPES = {
    "torch.float64": "F64", "torch.float32": "F32", "torch.float16": "F16", "torch.bfloat16": "BF16",
    "torch.int64": "I64", "torch.int32": "I32", "torch.int16": "I16", "torch.int8": "I8", "torch.uint8": "U8", "torch.bool": "BOOL",
}  # fmt: skip


class Refused(Exception):
    """Why the file is not accepted: one sentence for the user."""


def find_state(top: Any) -> tuple[str, dict[Any, Any]]:
    """(wrapper key or "", the state dict) out of what was saved."""
    if not isinstance(top, dict):
        raise Refused(f"the file holds a {type(top).__name__}, not a dict of tensors; save model.state_dict()")
    for wrapper in WRAPPERS:
        if isinstance(top.get(wrapper), dict):
            return wrapper, top[wrapper]
    if set(top) == {"state", "param_groups"}:
        raise Refused(
            "the file holds only an optimizer's state and no weights: POSTER++'s script writes that into its `*_model_best.pth` by mistake "
            "(it saves what pop('optimizer') returns); take the `*_model.pth` saved beside it in the same run"
        )
    if not any(hasattr(value, "untyped_storage") for value in top.values()):
        names = ", ".join(shown(key) for key in list(top)[:5]) or "nothing"
        raise Refused(f"the file holds no weights under state_dict, model_state_dict, model or at the top; it holds {names}")
    return "", top


def check_entries(state: dict[Any, Any], size: int) -> dict[str, Any]:
    """Every entry a dense, finite CPU tensor in a storage of its own; all together at most twice the file."""
    import torch

    if not 1 <= len(state) <= MAX_ENTRIES:
        raise Refused(f"the state dict has {len(state)} entries; 1 to {MAX_ENTRIES} are allowed")
    entries: dict[str, Any] = {}
    extents: list[tuple[int, int, str]] = []
    total = 0
    for key, value in state.items():
        if type(key) is not str or not 1 <= len(key) <= MAX_KEY or not key.isprintable() or key == "__metadata__":
            raise Refused(f"the state dict has the key {shown(key)}; keys are printable names of at most {MAX_KEY} characters")
        if type(value) not in (torch.Tensor, torch.nn.Parameter):
            raise Refused(f"the entry {shown(key)} is a {shown(type(value).__name__)}, not a tensor; save model.state_dict() alone")
        tensor = value.detach()
        if (
            tensor.layout is not torch.strided
            or tensor.device.type != "cpu"
            or tensor.is_quantized
            or tensor.is_nested
            or tensor.is_neg()
            or str(tensor.dtype) not in DTYPES
        ):
            raise Refused(f"the entry {shown(key)} is a {tensor.layout} tensor of {tensor.dtype} on {tensor.device.type}; only dense ordinary numbers are read")
        if tensor.dim() > MAX_DIMENSIONS:
            raise Refused(f"the entry {shown(key)} has {tensor.dim()} dimensions; at most {MAX_DIMENSIONS} are allowed")
        wanted = tensor.numel() * tensor.element_size()
        if wanted > tensor.untyped_storage().nbytes():
            raise Refused(f"the entry {shown(key)} claims {tensor.numel()} numbers, more than are stored for it")
        if (total := total + wanted) > 2 * size:
            raise Refused("the tensors together claim more than twice the file; it is forged")
        if tensor.numel():
            last = sum((n - 1) * step for n, step in zip(tensor.shape, tensor.stride(), strict=True))
            if last + 1 < tensor.numel():
                raise Refused(f"the entry {shown(key)} repeats the same stored numbers (strides {list(tensor.stride())}), which weights never do")
            extents.append((tensor.data_ptr(), tensor.data_ptr() + (last + 1) * tensor.element_size(), key))
        entries[key] = tensor
    extents.sort()
    for (_, end, first), (start, _, second) in pairwise(extents):
        if end > start:
            raise Refused(f"the entries {shown(first)} and {shown(second)} share memory, which separate weights never do")
    for key, tensor in entries.items():
        if tensor.is_floating_point() and tensor.numel() and not all(math.isfinite(x) for x in torch.aminmax(tensor)):
            raise Refused(f"the entry {shown(key)} holds NaN or infinite values; such weights cannot be used")
    return entries


def extras(top: dict[Any, Any], state: dict[Any, Any]) -> dict[str, Any]:
    """What else the file says about itself: numbers, flags and names, nothing of the stored objects."""
    if top is state:
        return {}
    found: dict[str, Any] = {}
    for name, keys in (("epoch", ("epoch", "iter")), ("best_acc", ("best_acc", "best_accuracy", "acc")), ("global_step", ("global_step",))):
        value = next((number for key in keys if (number := as_number(top.get(key))) is not None), None)
        if value is not None:
            found[name] = value
    found["optimizer"] = any(key in top for key in OPTIMIZERS)
    found["recorder"] = any(key in top for key in RECORDERS)
    for name, key in (("lightning", "pytorch-lightning_version"), ("arch", "arch")):
        if isinstance(top.get(key), str):
            found[name] = shown(top[key])
    found["keys"] = [shown(key) for key in list(top)[:20]]
    return found


def as_number(value: Any) -> int | float | None:
    if hasattr(value, "numel"):
        value = value.item() if type(value).__name__ in ("Tensor", "Parameter") and value.numel() == 1 and not value.is_complex() else None
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e12 or not math.isfinite(value):
        return None
    return value


def write_safetensors(out: int, entries: dict[str, Any]) -> None:
    """Stream the tensors into ``out``, one after the other, so that memory holds them once at most (format: safetensors 1.0)."""
    import torch

    order = sorted(entries, key=lambda key: (-entries[key].element_size(), key))  # wide types first: every offset stays aligned
    header, offset = {}, 0
    for key in order:
        end = offset + entries[key].numel() * entries[key].element_size()
        header[key] = {"dtype": DTYPES[str(entries[key].dtype)], "shape": list(entries[key].shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(out, "wb", buffering=0, closefd=False) as file:
        write_all(file, struct.pack("<Q", len(text)) + text)
        for key in order:
            data = memoryview(entries[key].contiguous().reshape(-1).view(torch.uint8).numpy())
            for at in range(0, len(data), CHUNK):
                write_all(file, data[at : at + CHUNK])


def write_all(file: Any, data: bytes | memoryview) -> None:
    while len(data):
        data = data[file.write(data) :]


def shown(name: object) -> str:
    """A name out of the file, fit for a sentence: printable, short."""
    return "".join(c if c.isprintable() else "?" for c in str(name)[:80]) if isinstance(name, str) else f"a {type(name).__name__}"
