"""Open any checkpoint: inspect it, convert it to safetensors with its contract, load it as a model. Nothing in the file is ever run.

torch is imported only by :func:`load_model` and the way back to the authors' layout; a page that inspects needs none.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poster._sandbox import Limits
from poster.contract import CHANNELS, ModelContract
from poster.errors import CheckpointError
from poster.identify import SHOWN, UNUSED, Identity, identify
from poster.layouts import layouts
from poster.origin import Origin
from poster.proposal import Guess, chosen_labels, make_contract
from poster.reading import Contents, Reader
from poster.safetensors_file import Entry, copy_renamed, read_header

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Inspection:
    """A checkpoint's contents and what they were recognised as."""

    contents: Contents
    identity: Identity

    def contract(self, labels: str | None = None, channels: str | None = None) -> ModelContract:
        """The file's own contract, else the proposed one, with the user's choices put in.

        labels: an order's name or a comma-separated list. Raises CheckpointError when the file is no known model, or needs labels.
        """
        known = self.identity
        if known.architecture is None:
            raise CheckpointError(str(known.problem))
        order = known.labels if labels is None else chosen_labels(labels, known.num_classes)
        if channels is not None and channels not in CHANNELS:
            raise CheckpointError(f"--channels {channels} is not one of {', '.join(CHANNELS)}")
        fed = known.channels if channels is None else Guess(channels, (), True, "given with --channels")
        if known.contract is not None:
            return known.contract.replace(labels=order.names, channels=fed.order)
        return make_contract(known.architecture, known.head, known.layout, layouts()[known.architecture].input_size, order, fed)

    def to_json(self) -> dict[str, Any]:
        """What ``python -m poster inspect --json`` prints."""
        known, contents = self.identity, self.contents
        answer: dict[str, Any] = {
            "architecture": known.architecture,
            "num_classes": known.num_classes if known.nearest else None,
            "head": known.head if known.nearest else None,
            "layout": known.layout,
            "prefix": known.prefix,
            "sha256": contents.sha256,
            "bytes": contents.size,
            "container": contents.container,
            "wrapper": contents.wrapper,
            "entries": len(contents.entries),
            "parameters": known.parameters,
            "parameters_used": known.parameters_used if known.architecture else None,
            "labels": _guess_json(known.labels if known.nearest else None),
            "channels": _guess_json(known.channels if known.nearest else None, names=False),
            "extras": {"optimizer": False, **contents.extras},
            "origin": None if known.origin is None else asdict(known.origin),
            "warnings": list(known.warnings) if known.nearest else [],
        }
        if known.architecture is None:
            answer["problem"] = known.problem
            answer["nearest"] = {"architecture": known.nearest, "differing": list(known.differing[:SHOWN]), "num_differing": len(known.differing)}
        return answer


def limits_from_environment() -> Limits:
    """The default limits; FER_MAX_CHECKPOINT_MIB sets the largest file."""
    mib = os.environ.get("FER_MAX_CHECKPOINT_MIB", "")
    return Limits(max_bytes=int(mib) << 20) if mib.isdecimal() and int(mib) else Limits()


def inspect(path: str | os.PathLike[str], reader: Reader | None = None) -> Inspection:
    """What is in this checkpoint. Raises CheckpointError, one sentence, when it cannot be opened safely.

    A file that opens but is no known model is no error: its identity's ``problem`` says what it is nearest to.
    """
    contents = (reader or Reader(limits_from_environment())).read(path)
    return Inspection(contents, identify(contents))


def convert(
    path: str | os.PathLike[str], out: str | os.PathLike[str], labels: str | None = None, channels: str | None = None, reader: Reader | None = None
) -> Inspection:
    """Any checkpoint -> safetensors under our names, its contract and origin in the metadata. ``out`` appears whole or not at all.

    Entries that no forward pass reads are kept as ``unused.*``, so that the way back loses nothing. A network that is not known here
    keeps its own names and gets no contract. Raises CheckpointError when the file cannot be opened, or is a damaged or altered form
    of a known architecture.
    """
    target = output_path(out, (".safetensors",), path)
    with opened(path, reader) as (tensors, inspection):
        known = inspection.identity
        if known.architecture is None and (known.is_near or labels is not None or channels is not None):
            raise CheckpointError(str(known.problem))
        contract = inspection.contract(labels, channels).to_metadata() if known.architecture else {}
        guesses = (("labels", labels, known.labels), ("channels", channels, known.channels))
        assumed = tuple(part for part, chosen, guess in guesses if chosen is None and not guess.sure)
        origin = Origin.from_metadata(inspection.contents.metadata) or Origin.of(inspection.contents.sha256, known.layout, inspection.contents.extras, ())
        metadata = {"format": "pt", **replace(origin, assumed=assumed).to_metadata(), **contract}
        copy_renamed(tensors, target, known.names, metadata)
    return inspection


def load_model(path: str | os.PathLike[str], labels: str | None = None, channels: str | None = None, reader: Reader | None = None) -> nn.Module:
    """Our safetensors, or any file :func:`convert` accepts -> the model in eval mode on the CPU, its ``contract`` on it.

    Every entry must be there in its shape. Memory: the weights once, and one tensor more. Raises CheckpointError otherwise.
    """
    with opened(path, reader) as (tensors, inspection):
        contract = inspection.contract(labels, channels)
        names = {ours: raw for raw, ours in inspection.identity.names.items() if not ours.startswith(UNUSED)}
        return build(tensors, names, contract)


def build(tensors: Path, names: Mapping[str, str], contract: ModelContract) -> nn.Module:
    """The contract's architecture filled from a safetensors file; ``names``: our key -> the file's. Strict both ways."""
    from poster.models import create_model

    options = {} if contract.head in ("linear", "none") else {"head": contract.head}
    model = create_model(contract.architecture, num_classes=contract.num_classes, **options)
    state = model.state_dict()
    if state.keys() != names.keys():
        few = ", ".join(sorted(state.keys() ^ names.keys())[:SHOWN])
        raise CheckpointError(
            f"the file's entries are not those of {contract.architecture} with {contract.num_classes} classes; among those that differ: {few}"
        )
    with tensors.open("rb") as file:
        entries = read_header(file, os.fstat(file.fileno()).st_size).entries
        for ours, raw in names.items():
            if entries[raw].shape != tuple(state[ours].shape):
                raise CheckpointError(f"{raw} is {list(entries[raw].shape)}; {contract.architecture} needs {list(state[ours].shape)}")
            state[ours].copy_(read_tensor(file, entries[raw]))
    model.contract, model.mirror = contract, contract.mirror
    return model.eval()


def read_tensor(file: BufferedReader, entry: Entry) -> Tensor:
    """One tensor out of an open safetensors file whose header was checked, in memory of its own."""
    import torch

    dtypes = {
        "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "BOOL": torch.bool,
        "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8,
    }  # fmt: skip
    tensor = torch.empty(entry.shape, dtype=dtypes[entry.dtype])
    file.seek(entry.begin)
    if file.readinto(tensor.reshape(-1).view(torch.uint8).numpy().data) != entry.end - entry.begin:
        raise CheckpointError("the file changed while it was read; try again")
    return tensor


@contextmanager
def opened(path: str | os.PathLike[str], reader: Reader | None = None) -> Iterator[tuple[Path, Inspection]]:
    """A safetensors file with the checkpoint's tensors (the file itself, or a temporary one) and what was recognised."""
    reader = reader or Reader(limits_from_environment())
    with tempfile.TemporaryDirectory(prefix="fer-weights-") as folder:
        out = Path(folder, "weights.safetensors")
        contents = reader.read(path, out)
        yield (Path(path) if contents.container == "safetensors" else out), Inspection(contents, identify(contents))


def output_path(out: str | os.PathLike[str], endings: tuple[str, ...], source: str | os.PathLike[str]) -> Path:
    """``out`` as a path that can be written. Raises CheckpointError for a wrong ending, a missing folder, or the source itself."""
    target = Path(out)
    if target.suffix not in endings:
        raise CheckpointError(f"the output {target.name} must end in {' or '.join(endings)}")
    if not target.parent.is_dir():
        raise CheckpointError(f"the folder {target.parent} does not exist; create it first")
    if target.is_dir() or (target.exists() and target.samefile(source)):
        raise CheckpointError(f"the output {target.name} is a folder or the input itself; choose another name")
    return target


def _guess_json(guess: Guess | None, names: bool = True) -> dict[str, Any]:
    if guess is None:
        return {"order": None, **({"names": []} if names else {}), "sure": False, "why": "the architecture is not known"}
    return {"order": guess.order, **({"names": list(guess.names)} if names else {}), "sure": guess.sure, "why": guess.why}
