"""AffectNet's two layouts: one .npy annotation an image, and the space-separated list that some derivatives carry."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from poster.data.images import FileSource, ImageSet
from poster.data.raf_db import list_text
from poster.errors import DataError
from poster.labels import EXPRESSIONS

FOLDERS = {"test": ("val_set", "valid_set", "validation_set"), "train": ("train_set",)}
LISTS = {"test": ("valid_annotations_7class.txt", "valid_annotations_8class.txt"), "train": ("train_annotations_7class.txt", "train_annotations_8class.txt")}
NOT_EXPRESSIONS = (8, 9, 10)  # none, uncertain, no face
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")


def npy_here(folder: Path) -> bool:
    """Whether the folder holds val_set/images and val_set/annotations."""
    return _npy_folder(folder, "test") is not None


def _npy_folder(folder: Path, split: str) -> Path | None:
    parts = (folder / name for name in FOLDERS[split])
    return next((part for part in parts if (part / "images").is_dir() and (part / "annotations").is_dir()), None)


def read_npy(folder: Path, split: str, labels: tuple[str, ...] | None) -> ImageSet:
    """Images named N.jpg with annotations/N_exp.npy holding 0..10 in AffectNet's order; 8 to 10 (no expression) are left out.

    ``labels`` of seven leaves contempt out. Raises DataError for an image without annotation, an annotation without image or a wrong value.
    """
    part = _npy_folder(folder, split)
    if part is None:
        raise DataError(f"{folder} has no {FOLDERS[split][0]}/images and /annotations; put the {split} part there")
    paths = [path for path in sorted((part / "images").iterdir()) if is_picture(path)]
    images = {path.stem: path for path in paths}
    if len(images) < len(paths):
        twice = next(path for path in paths if images[path.stem] != path)
        raise DataError(f"{twice.name} and {images[twice.stem].name} of {part.name} share one annotation; remove the one that does not belong")
    notes = {path.name.removesuffix("_exp.npy"): path for path in (part / "annotations").glob("*_exp.npy") if not path.name.startswith(".")}
    for only, where in ((images.keys() - notes.keys(), "has no annotation"), (notes.keys() - images.keys(), "is annotated, but its image is missing")):
        if only:
            raise DataError(f"{min(only)} of {part.name} {where} ({len(only)} in all); restore the data set")
    return _image_set([(path.name, path, _value(notes[stem])) for stem, path in images.items()], labels, "affectnet-npy")


def _value(path: Path) -> int:
    try:
        value = float(np.load(path, allow_pickle=False).item())
    except (OSError, ValueError, TypeError, EOFError) as error:
        raise DataError(f"the annotation {path.name} is not a .npy file with one number; restore it") from error
    if not value.is_integer():
        raise DataError(f"the annotation {path.name} holds {value}, not a whole number; restore it")
    return int(value)


def is_picture(path: Path) -> bool:
    """Whether a name is that of a picture; hidden files (macOS leaves "._1.jpg" beside "1.jpg") are none."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def list_here(folder: Path) -> bool:
    """Whether the folder, or a set folder in it, holds the annotation list."""
    return _list_file(folder, "test") is not None


def _list_file(folder: Path, split: str) -> Path | None:
    places = (folder, *(folder / name for name in FOLDERS[split]))
    return next((place / name for place in places for name in LISTS[split] if (place / name).is_file()), None)


def read_list(folder: Path, split: str, labels: tuple[str, ...] | None) -> ImageSet:
    """Lines "file label ..." in AffectNet's order, file names relative to the list's folder or its images/ folder."""
    path = _list_file(folder, split)
    if path is None:
        raise DataError(f"{folder} has no {LISTS[split][0]}; put the {split} part there")
    found, seen = [], set()
    for number, line in enumerate(list_text(path).splitlines(), 1):
        words = line.split()
        if not words:
            continue
        if len(words) < 2 or not words[1].isdecimal():
            raise DataError(f"line {number} of {path.name} is not a file name and a label; restore the file")
        picture = _picture(path.parent, words[0], path.name)
        if picture in seen:
            raise DataError(f"{words[0]} stands twice in {path.name}; restore the file")
        seen.add(picture)
        found.append((words[0], picture, int(words[1])))
    unlisted = sum(is_picture(file) and file not in seen for folder in {picture.parent for picture in seen} for file in folder.iterdir())
    notes = (f"{unlisted} pictures beside the listed ones are not in {path.name} and were left out.",) if unlisted else ()
    return _image_set(found, labels, "affectnet-list", notes)


def _picture(folder: Path, name: str, list_name: str) -> Path:
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise DataError(f"{list_name} names {name}, which lies outside the data set; restore the file")
    for place in (folder, folder / "images", folder.parent):
        if (place / name).is_file():
            return place / name
    raise DataError(f"{name} is listed in {list_name} but missing; put the image back")


def _image_set(found: list[tuple[str, Path, int]], labels: tuple[str, ...] | None, layout: str, notes: tuple[str, ...] = ()) -> ImageSet:
    """found: key, picture, label."""
    for key, _, value in found:
        if value not in range(11):
            raise DataError(f"{key} has the label {value}; AffectNet's run from 0 to 10; restore its annotation")
    classes = EXPRESSIONS if labels is None or "contempt" in labels else EXPRESSIONS[:7]
    kept = [entry for entry in found if entry[2] < len(classes)]
    targets = np.array([value for _, _, value in kept], dtype=np.int64)
    return ImageSet(tuple(key for key, _, _ in kept), targets, classes, FileSource(tuple(path for _, path, _ in kept)), layout, notes=notes)
