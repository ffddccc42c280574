"""Decode once: images at one size in a memory-mapped uint8 file, keyed by the content and the crop.

A file is written beside its final name and moved there when it is complete and on the disk, under a lock: a crash half way leaves
nothing that would be read, and of two processes one builds while the other waits and then reads.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from PIL import Image

from poster.data.images import PixelSource
from poster.data.memo import FORMAT, cache_dir, locked
from poster.errors import DataError

Pixels = NDArray[np.uint8]
Progress = Callable[[int, int], None]  # images done, images in all
RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC, "nearest": Image.Resampling.NEAREST}
REGIONS = ("whole", "lower")


class UnreadableError(DataError):
    """Images that cannot be decoded; ``indices`` are their positions."""

    def __init__(self, message: str, indices: list[int]) -> None:
        super().__init__(message)
        self.indices = indices


def region_of(image: Pixels, region: str) -> Pixels:
    """The whole picture, or its lower half: what a VR headset leaves visible of an aligned face."""
    if region not in REGIONS:
        raise ValueError(f"{region!r} is not one of {', '.join(REGIONS)}")
    return image[image.shape[0] // 2 :] if region == "lower" else image


def decode(image: Pixels, size: int, interpolation: str = "bilinear", region: str = "whole") -> Pixels:
    """(H, W) or (H, W, 3) -> (size, size) or (size, size, 3): the region, resized to a square as the official loaders do (PIL, aspect not kept)."""
    picture = Image.fromarray(region_of(image, region))
    return np.asarray(picture if picture.size == (size, size) else picture.resize((size, size), RESAMPLING[interpolation]))


def decoded(
    source: PixelSource,
    fingerprint: str,
    size: int,
    interpolation: str = "bilinear",
    region: str = "whole",
    directory: Path | None = None,
    progress: Progress | None = None,
) -> Pixels:
    """All images decoded at ``size``, read-only and memory-mapped: (N, S, S) when every one is grey, else (N, S, S, 3).

    The first call decodes (``progress`` is told), later ones map the file. Raises UnreadableError naming the images that cannot be
    decoded, DataError when the disk is full.
    """
    folder = directory or cache_dir()
    key = hashlib.sha256(json.dumps([FORMAT, fingerprint, order_digest(source), size, interpolation, region]).encode()).hexdigest()[:32]
    path = folder / f"{key}.npy"
    with locked(path):
        stored = _open(path, len(source), size)
        if stored is not None:
            return stored
        _build(source, path, lambda image: decode(image, size, interpolation, region), size, progress)
    built = _open(path, len(source), size)
    if built is None:
        raise DataError(f"the cache folder {folder} does not keep what is written to it; set FER_CACHE to another folder")
    return built


def order_digest(source: PixelSource) -> str:
    """Tells two orders of the same images apart: the cheap stamp where there is one, else the hash of all digests."""
    stamp = source.stamp()
    if stamp is None:
        stamp = hashlib.sha256(b"".join(source.digest(i) for i in range(len(source)))).hexdigest()
    return stamp


def _open(path: Path, count: int, size: int) -> Pixels | None:
    try:
        stored = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None  # absent, or cut short by something outside: built again
    fits = stored.dtype == np.uint8 and stored.shape in ((count, size, size), (count, size, size, 3))
    return stored if fits else None


def _build(source: PixelSource, path: Path, shape_one: Callable[[Pixels], Pixels], size: int, progress: Progress | None) -> None:
    count = len(source)
    for leftover in path.parent.glob(f"{path.name}.*.tmp"):
        leftover.unlink(missing_ok=True)  # a build that crashed; the lock says that no other is alive
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    failures: dict[int, str] = {}

    def one(index: int) -> Pixels | None:
        try:
            return shape_one(source.read(index))
        except DataError as error:
            failures[index] = str(error)
            return None

    try:
        grey = True
        array = _allocate(temporary, (count, size, size, 3))
        with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
            for start in range(0, count, 256):  # bounded: at most 256 decoded images wait to be written
                block = range(start, min(start + 256, count))
                for index, image in zip(block, pool.map(one, block), strict=True):
                    if image is not None:
                        grey = grey and image.ndim == 2
                        array[index] = image if image.ndim == 3 else image[..., None]
                if progress:
                    progress(block.stop, count)
        if failures:
            raise _unreadable(failures)
        if grey:
            array = _drop_colour(array, temporary, path)
        array.flush()
        del array
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise DataError(f"the decoded images do not fit into {path.parent} ({error.strerror}); free {count * size * size * 3 / 2**20:.0f} MiB") from error
    finally:
        temporary.unlink(missing_ok=True)


def _allocate(path: Path, shape: tuple[int, ...]) -> Any:
    """A new memory-mapped file whose blocks are really there: writing to a mapped hole on a full disk would kill the process."""
    array = open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, os.fstat(file.fileno()).st_size)
    return array


def _drop_colour(array: Any, temporary: Path, path: Path) -> Any:
    """Grey images need one channel: a third of the disk and of the reading."""
    one_channel = temporary.with_name(f"{path.name}.{os.getpid()}-grey.tmp")
    grey = _allocate(one_channel, array.shape[:3])
    grey[:] = array[..., 0]
    one_channel.replace(temporary)
    return grey


def _unreadable(failures: dict[int, str]) -> UnreadableError:
    indices = sorted(failures)
    more = f" (and {len(indices) - 1} more)" if len(indices) > 1 else ""
    return UnreadableError(failures[indices[0]] + more, indices)
