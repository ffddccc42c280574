"""The child process that opens an untrusted PyTorch file: torch.load(weights_only=True) with inert stand-ins, then checks, then safetensors.

`poster.checkpoint` starts it with a clean environment. It imports torch, then answers requests on a socket: each names two or
three open files (the input, the pipe for the answer, and optionally the output) and is worked in a fork of its own, or in this
process when it is the last. What has seen an untrusted file never serves another.
"""

from __future__ import annotations

import json
import math
import os
import re
import socket
import struct
from itertools import pairwise
from pathlib import Path
from typing import Any

from poster import _sandbox
from poster.zipcheck import members

MAX_ENTRIES, MAX_KEY, MAX_DIMENSIONS = 20_000, 300, 8
WRAPPERS = ("state_dict", "model_state_dict", "model")
CHUNK = 4 << 20  # bytes written at once

# Names that honest checkpoints hold besides tensors, all replaced by a class that keeps nothing: POSTER++'s meters and the
# NumPy arrays in them, command lines, and Lightning 1.4's callbacks (which are keys of a dict there).
STAND_INS = (
    "__main__.RecorderMeter",
    "__main__.RecorderMeter1",
    "argparse.Namespace",
    "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint",
    "numpy.ndarray",
    "numpy.dtype",
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("_reconstruct", "scalar")),
)

RECORDERS = ("recorder", "recorder1")
OPTIMIZERS = ("optimizer", "optimizer_state_dict", "optimizer_states", "optim")

# dtype of torch -> its name in safetensors. Weights are these; anything else (complex, quantised, float8) is refused.
DTYPES = {
    "torch.float64": "F64", "torch.float32": "F32", "torch.float16": "F16", "torch.bfloat16": "BF16",
    "torch.int64": "I64", "torch.int32": "I32", "torch.int16": "I16", "torch.int8": "I8", "torch.uint8": "U8", "torch.bool": "BOOL",
}  # fmt: skip


class Refused(Exception):
    """Why the file is not accepted: one sentence for the user."""


class Inert:
    """Stands in for every class a file may name. Takes anything, keeps nothing, does nothing."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


def read(source: int, out: int | None) -> dict[str, Any]:
    """Read the checkpoint behind the open file ``source``; write its tensors to the open file ``out`` as safetensors.

    Returns what the file holds: entries [key, dtype, shape], the wrapper's name, extras. Raises Refused, and whatever torch raises.
    """
    size = os.fstat(source).st_size
    top = load(_sandbox.fd_path(source))
    wrapper, state = find_state(top)
    entries = check_entries(state, size)
    found = extras(top, state)
    if out is not None:
        try:
            write_safetensors(out, entries)
        except OSError as error:
            return {"failed": f"the converted weights could not be written: {error.strerror}"}
    return {"entries": [[key, DTYPES[str(t.dtype)], list(t.shape)] for key, t in entries.items()], "wrapper": wrapper, "extras": found}


def load(path: str) -> Any:
    """torch.load with everything explicit. A zip's storages stay in the file (mapped) and must be exactly its members."""
    import torch

    with Path(path).open("rb") as file:
        is_zip = file.read(4) == b"PK\x03\x04"
        stored = {member.offset: member.size for member in members(file)} if is_zip else {}
    bases: list[int] = []
    from_file = torch.UntypedStorage.from_file

    def mapped(*args: Any) -> Any:
        storage = from_file(*args)
        bases.append(storage.data_ptr())
        return storage

    def place(storage: Any, location: str) -> Any:
        """Keep the storage on the CPU, whatever the file says; a mapped one must be one whole member (a forged length is not)."""
        if is_zip and storage.nbytes() and stored.get(storage.data_ptr() - bases[0]) != storage.nbytes():
            raise Refused("a tensor claims more or fewer bytes than its member of the zip has; the file is damaged or forged")
        return storage

    setattr(torch.UntypedStorage, "from_file", staticmethod(mapped))  # noqa: B010 - this process reads one file and ends
    stand_ins: list[Any] = [(type("Inert", (Inert,), {}), name) for name in STAND_INS]
    with torch.serialization.safe_globals(stand_ins):
        return torch.load(path, map_location=place, weights_only=True, mmap=is_zip)


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


def explain(error: BaseException) -> str:
    """One sentence for what torch raised."""
    text = str(error)
    if isinstance(error, MemoryError) or "can't allocate memory" in text or ("mmap" in text and "Cannot allocate" in text):
        return "opening the file asks for far more memory than its size allows; it is forged"
    named = re.search(r"GLOBAL ([^\n]*?) (?:was not an allowed global|whose module)", text)
    if named:
        return explain_name(named[1])
    if "TorchScript" in text:
        return "the file is a TorchScript archive, which holds a program; save model.state_dict() with torch.save instead"
    if ".tar format" in text:
        return "the file is in PyTorch's old tar format (before 0.1.10); load it with the PyTorch that wrote it and save it again"
    if isinstance(error, EOFError | struct.error | IndexError) or "unexpected EOF" in text or "wrong byte size" in text or "file not found" in text:
        return "the file is cut short or damaged; download it again"
    return f"the file is damaged or forged: it does not read as a PyTorch checkpoint ({type(error).__name__})"


def explain_name(name: str) -> str:
    """Why a checkpoint that names the class or function ``name`` is not opened."""
    module = name.rpartition(".")[0]
    if module.partition(".")[0] in ("", "os", "posix", "nt", "sys", "subprocess", "builtins", "runpy", "importlib", "shutil", "socket", "ctypes", "pty"):
        return f"the file asks to run {shown(name)} when it is opened, which no checkpoint needs; it was not opened and is best deleted"
    if module.startswith("torch.nn.modules") or module == "torch.nn.parallel.data_parallel":
        return f"the file is a whole pickled network ({shown(name)}), which cannot be opened without running its code; save model.state_dict() instead"
    return (
        f"the file needs {shown(name)}, a class or function that is not opened here because a file may not choose what code runs; "
        "if it is a whole network, save model.state_dict() instead"
    )


def answer(source: int, pipe: int, out: int | None, limits: _sandbox.Limits) -> None:
    """Work one request in this process: give up what is not needed, read, write one JSON line to ``pipe``."""
    try:
        _sandbox.limit_resources(os.fstat(source).st_size, limits)
        _sandbox.hide_files([source])
        reply = read(source, out)
    except Refused as error:
        reply = {"refused": str(error)}
    except Exception as error:
        reply = {"refused": explain(error)}
    with open(pipe, "wb", buffering=0) as answer_pipe:
        write_all(answer_pipe, json.dumps(reply).encode())


def serve(channel: socket.socket) -> None:
    """Import torch, then answer requests until the other side closes or marks one as the last."""
    _sandbox.leave_network()
    import torch

    torch.set_num_threads(1)
    while True:
        message, files, _, _ = socket.recv_fds(channel, 4096, 3)
        if not message:
            return
        request = json.loads(message)
        source, pipe, *out = files
        limits = _sandbox.Limits(**request["limits"])
        if request["last"]:
            channel.close()
            answer(source, pipe, out[0] if out else None, limits)
            return
        worker = os.fork()
        if worker == 0:
            channel.close()
            try:
                answer(source, pipe, out[0] if out else None, limits)
            finally:
                os._exit(0)
        for opened in files:
            os.close(opened)
        channel.send(json.dumps({"status": os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1])}).encode())
