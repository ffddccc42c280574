"""The way back: any checkpoint -> the file the authors' own scripts load, under their names and wrapper keys."""

from __future__ import annotations

import os
from typing import Any

from poster.checkpoint import Inspection, opened, output_path, read_tensor
from poster.errors import CheckpointError
from poster.identify import UNUSED
from poster.layouts import Shape
from poster.official import official_names
from poster.origin import Origin
from poster.safetensors_file import read_header, replacing

ENDINGS = (".pth", ".pt", ".ckpt", ".tar")


def to_official(path: str | os.PathLike[str], out: str | os.PathLike[str], labels: str | None = None, channels: str | None = None) -> Inspection:
    """Write ``path`` as POSTER's test.py, POSTER++'s main.py or AdaFace's inference.py expects it. ``out`` appears whole or not at all.

    Entries kept as ``unused.*`` go back where they came from; where there are none (a model trained here), the layers that the
    authors' forward pass never calls are zeros. Memory: the weights once. Raises CheckpointError for what has no such layout.
    """
    import torch

    if labels is not None or channels is not None:
        raise CheckpointError("--labels and --channels belong to the contract, which the authors' layout has no place for; leave them out")
    target = output_path(out, ENDINGS, path)
    with opened(path) as (tensors, inspection):
        known = inspection.identity
        if known.architecture is None:
            raise CheckpointError(str(known.problem))
        if known.architecture == "posterpp_nano":
            raise CheckpointError("posterpp_nano is this project's own network; the authors' scripts have none like it")
        ours = [name for name in known.names.values() if not name.startswith(UNUSED)]
        names = official_names(known.architecture, ours)
        with tensors.open("rb") as file:
            entries = read_header(file, os.fstat(file.fileno()).st_size).entries
            state = {names.get(name, name.removeprefix(UNUSED)): read_tensor(file, entries[raw]) for raw, name in known.names.items()}
        origin = known.origin or Origin.of("", known.layout, inspection.contents.extras, ())
        for key, shape in never_called(known.architecture).items():
            if key not in state:
                state[key] = _filler(key, shape)
        with replacing(target) as written:
            torch.save(_wrapped(known.architecture, state, origin), written)
    return inspection


def never_called(architecture: str) -> dict[str, Shape]:
    """The entries of the authors' networks that no forward pass reads: their shapes (POSTER ba2e3e9, POSTER_V2 18de559)."""
    if architecture.startswith("adaface"):
        return {}
    landmark, image = "face_landback.output_layer", "ir_back.output_layer"
    shapes: dict[str, Shape] = {
        **_norm(f"{landmark}.conv_6_dw.bn", 512), f"{landmark}.conv_6_dw.conv.weight": (512, 1, 7, 7),
        **_norm(f"{landmark}.bn", 136), f"{landmark}.linear.weight": (136, 512),
        **_norm(f"{image}.0", 512), f"{image}.3.weight": (512, 25088), f"{image}.3.bias": (512,), **_norm(f"{image}.4", 512),
    }  # fmt: skip
    if architecture.startswith("poster_"):
        return shapes | {"pyramid_fuse.cls_token": (1, 1, 512)}
    return shapes | {
        "VIT.patch_embed.proj.weight": (768, 256, 1, 1), "VIT.patch_embed.proj.bias": (768,), "VIT.CON1.weight": (768, 256, 1, 1),
        "VIT.IRLinear1.weight": (768, 1024), "VIT.IRLinear1.bias": (768,), "VIT.IRLinear2.weight": (512, 768), "VIT.IRLinear2.bias": (512,),
        "VIT.eca_block.conv.weight": (1, 1, 5),
        **{f"VIT.blocks.{n}.conv.{leaf}": shape for n in (0, 1) for leaf, shape in (("weight", (148, 148, 1)), ("bias", (148,)))},
        **{f"attn{n}.relative_position_index": (side**2, side**2) for n, side in ((1, 28), (2, 14), (3, 7))},
    }  # fmt: skip


def _norm(name: str, width: int) -> dict[str, Shape]:
    return {**{f"{name}.{leaf}": (width,) for leaf in ("weight", "bias", "running_mean", "running_var")}, f"{name}.num_batches_tracked": ()}


def _filler(key: str, shape: Shape) -> Any:
    """Zeros for a layer that is never called; the position index, which the authors' code does read, as it must be."""
    import torch

    from poster.poster_v2 import relative_position_index

    if key.endswith("relative_position_index"):
        return relative_position_index(int(shape[0] ** 0.5))
    return torch.zeros(shape, dtype=torch.int64 if key.endswith("num_batches_tracked") else torch.float32)


def _wrapped(architecture: str, state: dict[str, Any], origin: Origin) -> dict[str, Any]:
    """The state dict under the keys and prefixes that the authors' scripts look for."""
    import torch

    epoch = origin.epoch or 0
    if architecture.startswith("adaface"):
        return {"epoch": epoch, "state_dict": {key if key.startswith("head.") else f"model.{key}": value for key, value in state.items()}}
    parallel = {f"module.{key}": value for key, value in state.items()}
    if architecture.startswith("poster_"):
        return {"iter": epoch, "model_state_dict": parallel}
    return {"epoch": epoch, "state_dict": parallel, "best_acc": torch.tensor(origin.best_acc or 0.0)}
