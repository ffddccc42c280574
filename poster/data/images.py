"""A labelled set of images before any pixel is decoded: where the pixels come from, what is in them, one fingerprint for all."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from poster.errors import DataError

MAX_PIXELS = 40_000_000  # read from the header before decoding: a small file can claim a huge picture
Pixels = NDArray[np.uint8]


class PixelSource(Protocol):
    """Images by index: ``read`` gives (H, W) grey or (H, W, 3) RGB uint8 and raises DataError; ``digest`` a hash of the content;
    ``stamp`` a cheap text that changes whenever a file changes, or None where there is none."""

    def __len__(self) -> int: ...
    def read(self, index: int) -> Pixels: ...
    def digest(self, index: int) -> bytes: ...
    def stamp(self) -> str | None: ...
    def take(self, indices: NDArray[np.int64]) -> PixelSource: ...


@dataclass(frozen=True)
class FileSource:
    """Image files; the digest is the SHA-256 of the file."""

    paths: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, index: int) -> Pixels:
        return open_image(self.paths[index], "/".join(self.paths[index].parts[-2:]))  # the folder too: "0.png" stands in every class

    def digest(self, index: int) -> bytes:
        try:
            return hashlib.sha256(self.paths[index].read_bytes()).digest()
        except OSError as error:
            raise DataError(f"the image {self.paths[index].name} cannot be read ({error.strerror}); put it back or restore the data set") from error

    def stamp(self) -> str | None:
        hashed = hashlib.sha256()
        for path in self.paths:
            hashed.update(file_stamp(path).encode())
        return hashed.hexdigest()

    def take(self, indices: NDArray[np.int64]) -> FileSource:
        return FileSource(tuple(self.paths[i] for i in indices))


@dataclass(frozen=True)
class ArraySource:
    """Images in one array (N, H, W) or (N, H, W, 3) uint8; ``origin`` is a stamp of the files it was read from."""

    array: Pixels
    origin: str | None = None

    def __len__(self) -> int:
        return len(self.array)

    def read(self, index: int) -> Pixels:
        return np.asarray(self.array[index])

    def digest(self, index: int) -> bytes:
        image = np.ascontiguousarray(self.array[index])
        return hashlib.sha256(repr(image.shape).encode() + image.tobytes()).digest()

    def stamp(self) -> str | None:
        return self.origin

    def take(self, indices: NDArray[np.int64]) -> ArraySource:
        picked = hashlib.sha256(np.ascontiguousarray(indices, dtype=np.int64).tobytes()).hexdigest()
        return ArraySource(self.array[indices], None if self.origin is None else f"{self.origin}[{picked}]")


def file_stamp(path: Path) -> str:
    """Path, size, inode and change times of a file: differs whenever it was written. Raises DataError when it is gone."""
    try:
        status = path.stat()
    except OSError as error:
        raise DataError(f"the file {path.name} is listed but missing; put it back or restore the data set") from error
    return f"{path}|{status.st_size}|{status.st_ino}|{status.st_mtime_ns}|{status.st_ctime_ns}"


def open_image(file: Any, name: str) -> Pixels:
    """Decode one picture to (H, W) where it is grey, else (H, W, 3) RGB. Raises DataError naming it when it is missing, damaged or too large."""
    try:
        with Image.open(file) as image:
            if image.width * image.height > MAX_PIXELS:
                raise DataError(f"the image {name} has {image.width} x {image.height} pixels; at most {MAX_PIXELS:,} are read")
            return np.asarray(_eight_bit(image, name).convert("L" if image.mode in ("L", "1", "I;16") else "RGB"))
    except DataError:
        raise
    except Image.DecompressionBombError as error:
        raise DataError(f"the image {name} has far more than {MAX_PIXELS:,} pixels, the most that are read") from error
    except FileNotFoundError as error:
        raise DataError(f"the image {name} is listed but missing; put it back or restore the data set") from error
    except (OSError, ValueError, SyntaxError) as error:
        raise DataError(f"the image {name} cannot be read (damaged or cut short); restore it from the original data set") from error


def _eight_bit(image: Image.Image, name: str) -> Image.Image:
    """8 bits a channel: the high byte of 16-bit grey, which Pillow itself would clip to white; a palette's own colours, whatever is transparent."""
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise DataError(f"the image {name} has 32 bits a pixel; save it with 8 bits a channel")
    return image.convert("RGBA") if image.mode == "P" and "transparency" in image.info else image


@dataclass(frozen=True)
class ImageSet:
    """N images with their labels.

    keys: file name or row, unique. targets: (N,) index into ``labels``. votes: (N, K) share of the annotators per label, rows summing
    to 1, or None. agreement: (N,) share of all annotators for the most voted answer, or None. layout: the layout it was read from.
    in_training: (N,) whether the very image also stands in the training part, or None where that is not known.
    notes: sentences about how it was read that belong into a result.
    """

    keys: tuple[str, ...]
    targets: NDArray[np.int64]
    labels: tuple[str, ...]
    source: PixelSource
    layout: str
    votes: NDArray[np.float64] | None = None
    agreement: NDArray[np.float64] | None = None
    in_training: NDArray[np.bool_] | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not len(self.keys) == len(self.targets) == len(self.source):
            raise ValueError(f"{len(self.keys)} keys, {len(self.targets)} targets and {len(self.source)} images do not belong together")
        if len(self.targets) and not 0 <= self.targets.min() <= self.targets.max() < len(self.labels):
            raise ValueError(f"a target lies outside the {len(self.labels)} labels")

    def __len__(self) -> int:
        return len(self.keys)

    def counts(self) -> dict[str, int]:
        """Images per label."""
        return dict(zip(self.labels, np.bincount(self.targets, minlength=len(self.labels)).tolist(), strict=True))

    def take(self, indices: Sequence[int] | NDArray[Any]) -> ImageSet:
        """The images at these positions, in this order; a boolean mask (N,) works too."""
        indices = np.asarray(indices)
        indices = np.flatnonzero(indices) if indices.dtype == bool else indices.astype(np.int64)
        return replace(
            self,
            keys=tuple(self.keys[i] for i in indices),
            targets=self.targets[indices],
            source=self.source.take(indices),
            votes=None if self.votes is None else self.votes[indices],
            agreement=None if self.agreement is None else self.agreement[indices],
            in_training=None if self.in_training is None else self.in_training[indices],
        )

    def relabel(self, labels: tuple[str, ...]) -> ImageSet:
        """The same images with the labels in another order. Raises DataError when an image's label is not among ``labels``."""
        index = [labels.index(label) if label in labels else -1 for label in self.labels]
        targets = np.asarray(index, dtype=np.int64)[self.targets]
        if len(targets) and targets.min() < 0:
            extra = sorted({self.labels[i] for i in self.targets if self.labels[i] not in labels})
            raise DataError(f"the set has images of {', '.join(extra)}, but the benchmark's classes are {', '.join(labels)}; remove them")
        votes = None if self.votes is None else np.stack([self.votes[:, self.labels.index(label)] for label in labels], axis=1)
        return replace(self, targets=targets, labels=labels, votes=votes)


@dataclass(frozen=True)
class Inventory:
    """What is really in a set: a fingerprint over contents and labels, whatever the order or the file names; ``doubled`` pairs of keys."""

    fingerprint: str
    doubled: tuple[tuple[str, str], ...]


def take_inventory(images: ImageSet) -> Inventory:
    """Hash every image with its label (and votes): SHA-256 over the sorted entries. Raises DataError for a file that cannot be read."""
    first: dict[bytes, str] = {}
    entries, doubled = [], []
    for index, key in enumerate(images.keys):
        digest = images.source.digest(index)
        if digest in first:
            doubled.append((first[digest], key))
        first.setdefault(digest, key)
        votes = b"" if images.votes is None else np.round(images.votes[index] * 1e6).astype(np.int64).tobytes()
        entries.append(digest + images.labels[images.targets[index]].encode() + votes)
    hashed = hashlib.sha256()
    for entry in sorted(entries):
        hashed.update(entry)
    return Inventory(hashed.hexdigest(), tuple(doubled))
