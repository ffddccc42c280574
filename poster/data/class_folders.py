"""One folder of images a class (torchvision's ImageFolder), the classes named by words or by numbers."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from poster.data.affectnet import SUFFIXES, is_picture
from poster.data.images import FileSource, ImageSet
from poster.errors import DataError
from poster.labels import EXPRESSIONS, ORDERS, canonical

SPLITS = {"test": ("test", "valid", "val", "validation"), "train": ("train", "training")}
# Folder names that are numbers: RAF-DB's own labels start at 1, AffectNet's at 0.
NUMBERED = {
    tuple(str(n) for n in range(1, 8)): ("RAF-DB", ORDERS["raf-db"]),
    tuple(str(n) for n in range(7)): ("AffectNet", ORDERS["affectnet-7"]),
    tuple(str(n) for n in range(8)): ("AffectNet", ORDERS["affectnet-8"]),
}


def here(folder: Path) -> bool:
    """Whether the folder, or its test, valid or val folder, holds at least two folders named as classes."""
    return split_folder(folder, "test") is not None


def split_folder(folder: Path, split: str) -> Path | None:
    """The folder that holds the class folders of a split: a split folder, or for "test" the folder itself where it has none."""
    places = [folder / name for name in SPLITS[split]]
    if split == "test" and not any((folder / name).is_dir() for names in SPLITS.values() for name in names):
        places.append(folder)
    return next((place for place in places if sum(map(_is_class, _names(place))) >= 2), None)


def _names(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith((".", "__")))
    except OSError:
        return []


def _is_class(name: str) -> bool:
    if name.isdecimal():
        return int(name) < 10
    try:
        return canonical(name) in EXPRESSIONS
    except ValueError:
        return False


def class_names(names: list[str], labels: tuple[str, ...] | None) -> tuple[dict[str, str], str]:
    """Folder name -> expression, and a note where numbers had to be read in an order. Raises DataError for a folder that is no class.

    Numbers mean ``labels`` by position (sorted) when given, else RAF-DB's order for 1..7 and AffectNet's for 0..6 and 0..7.
    """
    if all(name.isdecimal() for name in names):
        ordered = tuple(sorted(names, key=int))
        if ordered in NUMBERED:
            owner, order = NUMBERED[ordered]
            if labels is not None and len(labels) == len(order):
                owner, order = "the given", labels
            return dict(zip(ordered, order, strict=True)), f"The folders {ordered[0]} to {ordered[-1]} were read in {owner} order."
        raise DataError(f"the class folders are called {', '.join(ordered)}; numbers must be 1 to 7 (RAF-DB) or 0 to 6 or 0 to 7 (AffectNet), or use names")
    found: dict[str, str] = {}
    for name in names:
        try:
            word = canonical(name)
        except ValueError:
            raise DataError(f"the folder {name!r} is no expression ({', '.join(EXPRESSIONS)}); remove or rename it") from None
        if word in found.values():
            raise DataError(f"two folders mean {word} ({name} is one of them); merge them")
        found[name] = word
    return found, ""


def read(folder: Path, split: str, labels: tuple[str, ...] | None) -> ImageSet:
    """All images of a split. Labels stand in the order of ``labels``, else in that of the sorted folders. Raises DataError."""
    place = split_folder(folder, split)
    if place is None:
        raise DataError(f"{folder} has no {SPLITS[split][0]} folder with one folder of images a class; make one")
    names, note = class_names(_names(place), labels)
    expressions = tuple(names.values())
    keys, targets, paths = [], [], []
    for index, name in enumerate(names):
        for path in sorted((place / name).rglob("*")):
            if path.is_symlink() and not path.is_file():
                raise DataError(f"{path.relative_to(place)} is a link to a folder or to nothing; put the images themselves there")
            if is_picture(path) and path.is_file():
                keys.append(path.relative_to(place).as_posix())
                targets.append(index)
                paths.append(path)
            elif path.is_file() and not path.name.startswith(".") and path.name not in ("Thumbs.db", "desktop.ini"):
                raise DataError(f"{path.relative_to(place)} is no image ({', '.join(SUFFIXES)}); remove it")
    beside = sum(is_picture(path) for path in place.iterdir() if path.is_file())
    notes = (*((note,) if note else ()), *((f"{beside} pictures beside the class folders belong to no class and were left out.",) if beside else ()))
    images = ImageSet(tuple(keys), np.array(targets, dtype=np.int64), expressions, FileSource(tuple(paths)), "imagefolder", notes=notes)
    return images if labels is None else images.relabel(labels)
