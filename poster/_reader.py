"""The child process that opens an untrusted PyTorch file: torch.load(weights_only=True) with inert stand-ins, then checks, then safetensors.

`poster.checkpoint` starts it with a clean environment. It imports torch, then answers requests on a socket: each names two or
three open files (the input, the pipe for the answer, and optionally the output) and is worked in a fork of its own, or in this
process when it is the last. What has seen an untrusted file never serves another.
"""

from __future__ import annotations

import json
import os
import re
import socket
import struct
from pathlib import Path
from typing import Any

from poster import _sandbox
from poster._tensors import DTYPES, Refused, check_entries, extras, find_state, shown, write_all, write_safetensors
from poster.errors import CheckpointError
from poster.zipcheck import members

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


_CUT_SHORT = ("unexpected EOF", "wrong byte size", "file not found", "Ran out of input")


def explain(error: BaseException) -> str:
    """One sentence for what torch raised."""
    text = str(error)
    if isinstance(error, MemoryError) or "can't allocate memory" in text or ("mmap" in text and "Cannot allocate" in text):
        return "opening the file asks for far more memory than its size allows; it is forged"
    named = re.search(r"GLOBAL ([^\n]*?) (?:was not an allowed global|whose module)", text)
    if named and not named[1].endswith("."):
        return explain_name(named[1])
    if "TorchScript" in text:
        return "the file is a TorchScript archive, which holds a program; save model.state_dict() with torch.save instead"
    if ".tar format" in text:
        return "the file is in PyTorch's old tar format (before 0.1.10); load it with the PyTorch that wrote it and save it again"
    if "out of bounds" in text or "not resizable" in text or "storage size" in text:
        return "a tensor claims more numbers than are stored for it; the file is damaged or forged"
    if named or isinstance(error, EOFError | struct.error | IndexError) or any(sign in text for sign in _CUT_SHORT):
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
    except (Refused, CheckpointError) as error:
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
    channel.send(b"ready")
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
