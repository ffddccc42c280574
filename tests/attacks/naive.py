"""A careless reader, in a process of its own: what the attacks must bite before it counts that the project refuses them.

``python naive.py`` imports torch, then answers one JSON line a request; each is worked in a fork with a time limit and 4 GiB at most.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import resource
import signal
import sys
import warnings
from pathlib import Path
from typing import Any

import torch


def attempt(how: str, path: str) -> dict[str, Any]:
    if how == "pickle":
        with Path(path).open("rb") as file:
            found = pickle.load(file)
    elif how == "stand-ins":  # torch's own reading of a file that names what honest files name
        from poster._reader import STAND_INS, Inert

        with torch.serialization.safe_globals([(type("Inert", (Inert,), {}), name) for name in STAND_INS]):
            found = torch.load(path, map_location="cpu", weights_only=True)
        state = next((found[key] for key in ("state_dict", "model_state_dict", "model") if isinstance(found.get(key), dict)), found)
        return {"digests": {key: digest(value) for key, value in state.items()}}
    else:
        found = torch.load(path, map_location="cpu", weights_only=how != "load", mmap=how == "mmap")
    tensors = {key: value for key, value in found.items() if torch.is_tensor(value)} if isinstance(found, dict) else {}
    return {
        "type": type(found).__name__,
        "values": {key: value.flatten().tolist() for key, value in tensors.items() if value.numel() <= 64},
        "shapes": {key: list(value.shape) for key, value in tensors.items()},
    }


def digest(tensor: torch.Tensor) -> str:
    data = tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    return hashlib.sha256(str((str(tensor.dtype), list(tensor.shape))).encode() + data).hexdigest()


def main() -> None:
    sys.path.append(str(Path(__file__).resolve().parents[2]))
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    for line in sys.stdin:
        how, path, seconds, folder = json.loads(line)
        receive, send = os.pipe()
        if (worker := os.fork()) == 0:
            os.chdir(folder)
            sys.path.insert(0, folder)  # as for a script started there
            resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
            resource.setrlimit(resource.RLIMIT_CPU, (seconds + 1, seconds + 1))  # seconds of computing: a busy machine changes nothing
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            try:
                answer = attempt(how, path)
            except BaseException as error:
                answer = {"error": f"{type(error).__name__}: {error}"}
            answer["mib"] = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10
            os.write(send, json.dumps(answer).encode())
            os._exit(0)
        os.close(send)
        with os.fdopen(receive, "rb") as file:
            answer = json.loads(file.read() or b"{}")
        status = os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1])
        print(json.dumps({**answer, "hung": status in (-signal.SIGXCPU, -signal.SIGKILL), "status": status}), flush=True)


if __name__ == "__main__":
    main()
