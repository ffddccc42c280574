"""Hugging Face data sets: a repository id or a folder, with one image column and one ClassLabel column. No code from a data set runs."""

from __future__ import annotations

import hashlib
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poster.data.images import ImageSet, file_stamp, open_image
from poster.errors import DataError
from poster.labels import EXPRESSIONS, canonical

REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
SPLITS = {"test": ("test", "validation", "valid", "val"), "train": ("train", "training")}


@dataclass(frozen=True)
class TableSource:
    """Encoded pictures in an Arrow table; the digest is the SHA-256 of the encoded bytes."""

    table: Any
    column: str
    rows: NDArray[np.int64]
    origin: str | None

    def __len__(self) -> int:
        return len(self.rows)

    def _content(self, index: int) -> bytes:
        cell = self.table[int(self.rows[index])][self.column]
        content = cell.get("bytes")
        if content is None and cell.get("path"):
            try:
                content = Path(cell["path"]).read_bytes()
            except OSError:
                content = None
        if content is None:
            raise DataError(f"row {self.rows[index]} of the data set has no picture; remove it")
        return bytes(content)

    def read(self, index: int) -> NDArray[np.uint8]:
        return open_image(io.BytesIO(self._content(index)), f"in row {self.rows[index]}")

    def digest(self, index: int) -> bytes:
        return hashlib.sha256(self._content(index)).digest()

    def stamp(self) -> str | None:
        return None if self.origin is None else f"{self.origin}[{hashlib.sha256(self.rows.tobytes()).hexdigest()}]"

    def take(self, indices: NDArray[np.int64]) -> TableSource:
        return TableSource(self.table, self.column, self.rows[indices], self.origin)


def read(place: str, split: str = "test", labels: tuple[str, ...] | None = None, revision: str | None = None) -> ImageSet:
    """The images of a split; classes by the names of the ClassLabel column. A repository is pinned to a commit, noted in the result.

    Raises DataError when the place is neither a folder nor a repository id, cannot be read, or has no such columns or split.
    """
    part, origin = _load(place, split, revision)
    image_column, label_column, names = columns(part.features)
    expressions = _expressions(names)
    part = part.cast_column(image_column, type(part.features[image_column])(decode=False))
    targets = np.array(part[label_column], dtype=np.int64)
    if len(targets) and not 0 <= targets.min() <= targets.max() < len(names):
        raise DataError(f"the column {label_column} has rows without a label; remove them")
    files = "".join(file_stamp(Path(file["filename"])) for file in part.cache_files)  # the library's fingerprint does not follow what is in them
    source = TableSource(part, image_column, np.arange(len(targets)), f"{origin}|{part._fingerprint}|{files}")
    images = ImageSet(tuple(f"row {row}" for row in range(len(targets))), targets, expressions, source, "huggingface", notes=(f"Read from {origin}.",))
    return images if labels is None else images.relabel(labels)


def columns(features: Any) -> tuple[str, str, list[str]]:
    """The image column, the ClassLabel column and its class names. Raises DataError unless there is exactly one of each."""
    from datasets import ClassLabel, Image

    found = {kind: [name for name, feature in features.items() if isinstance(feature, kind)] for kind in (Image, ClassLabel)}
    for kind, names in found.items():
        if len(names) != 1:
            raise DataError(f"the data set has {len(names)} {kind.__name__} columns ({', '.join(features) or 'no columns'}); exactly one is needed")
    label = found[ClassLabel][0]
    return found[Image][0], label, list(features[label].names)


def _expressions(names: list[str]) -> tuple[str, ...]:
    words = []
    for name in names:
        try:
            words.append(canonical(name))
        except ValueError:
            raise DataError(f"the data set's class {name!r} is no expression ({', '.join(EXPRESSIONS)}); rename its classes") from None
    if len(set(words)) < len(words):
        raise DataError(f"two of the data set's classes {', '.join(names)} mean one expression; merge them")
    return tuple(words)


def _load(place: str, split: str, revision: str | None) -> tuple[Any, str]:
    import datasets
    from huggingface_hub import HfApi

    folder = Path(place)
    try:
        if folder.is_dir():
            saved = (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file()
            loaded, origin = datasets.load_from_disk(str(folder)) if saved else datasets.load_dataset(str(folder)), f"the folder {folder.name}"
        elif REPOSITORY.fullmatch(place):
            commit = HfApi().dataset_info(place, revision=revision, token=False, timeout=20).sha
            loaded, origin = datasets.load_dataset(place, revision=commit, token=False), f"{place} at commit {commit}"
        else:
            raise DataError(f"{place!r} is neither a folder nor a repository id (org/name); give one with --data")
    except DataError:
        raise
    except Exception as error:  # the readers of many formats and the network answer with every kind of exception
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DataError(f"the data set {place} cannot be read ({reason}); check its name, its files and the network") from error
    if isinstance(loaded, datasets.Dataset):
        return loaded, origin
    name = next((name for name in SPLITS[split] if name in loaded), None)
    if name is None:
        raise DataError(f"the data set has the parts {', '.join(loaded)}, but none of {', '.join(SPLITS[split])}; name one so")
    return loaded[name], origin
