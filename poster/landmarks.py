"""68 points on every face of a photo, from a small network of this project's own (see poster/training/landmarks.py for how it learned them)."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import cast

import numpy as np
import torch
from safetensors import safe_open

from poster.backbones import MobileFaceNet
from poster.contract import ModelContract
from poster.face import Face, crop_face
from poster.preprocess import to_input
from poster.rewrite import rewritten
from poster.shares import awake

WEIGHTS = Path(__file__).parent / "weights" / "landmarks" / "mobilefacenet.safetensors"
SCALE_KEY = "scale"  # in the file's metadata: how narrow the network is, as a fraction of POSTER's
_reading = threading.Lock()


def face_points(rgb: np.ndarray, faces: Sequence[Face]) -> tuple[np.ndarray, ...]:
    """68 points (iBUG 300-W order: jaw, brows, nose, eyes, mouth) a face, float (68, 2): x, y in pixels of the photo (H, W, 3) uint8.

    All faces go through the network together. Points beyond the photo's edge are where the network supposes them.
    """
    return every_face_points([(rgb, face) for face in faces])


def every_face_points(some: Sequence[tuple[np.ndarray, Face]]) -> tuple[np.ndarray, ...]:
    """:func:`face_points` for faces of several photos, each with its photo."""
    if not some:
        return ()
    with _reading:
        network, contract = _shipped()
    return points_of(network, contract, some)


@torch.inference_mode()
def points_of(network: MobileFaceNet, contract: ModelContract, some: Sequence[tuple[np.ndarray, Face]]) -> tuple[np.ndarray, ...]:
    """:func:`every_face_points` by a network of choice, one face or more."""
    # A whole picture is taken as it is; a found face gets the margin the network learned with.
    crops = [crop_face(rgb, face, 0.0 if face.detector == "none" else contract.crop, contract.input_size) for rgb, face in some]
    images = to_input(np.stack([crop for crop, _ in crops]), contract)
    with awake(images):
        found = network.landmarks(images).double().numpy()
    return tuple(where.to_photo(points * where.size) for points, (_, where) in zip(found, crops, strict=True))


def read(path: Path) -> tuple[MobileFaceNet, ModelContract]:
    """A file of ``python -m poster landmarks`` -> the network in eval mode, float32, and what its crops are."""
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
        state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - no dict
    contract = ModelContract.from_metadata(metadata)
    network = MobileFaceNet(contract.input_size, float(metadata[SCALE_KEY]), landmark_head=True)
    network.load_state_dict(state)
    return network.eval(), contract


@cache
def _shipped() -> tuple[MobileFaceNet, ModelContract]:
    network, contract = read(WEIGHTS)
    return cast(MobileFaceNet, rewritten(network)), contract
