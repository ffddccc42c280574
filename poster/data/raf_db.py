"""RAF-DB as its owners hand it out: a label list and the aligned faces."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from poster.data.images import FileSource, ImageSet
from poster.errors import DataError
from poster.labels import ORDERS

LISTS = ("list_patition_label.txt", "list_partition_label.txt")  # the owners' spelling, then the one people correct it to
LABELS = ORDERS["raf-db"]


def here(folder: Path) -> bool:
    """Whether the folder holds EmoLabel/ with the label list."""
    return any((folder / "EmoLabel" / name).is_file() for name in LISTS)


def read(folder: Path, split: str, labels: tuple[str, ...] | None) -> ImageSet:
    """The test or train part: lines such as "test_0001.jpg 5" (1..7 in RAF-DB's order) and Image/aligned/test_0001_aligned.jpg.

    Raises DataError for a malformed line, a label outside 1..7, a name listed twice, an image without a line or a line without an image.
    """
    label_file = next(folder / "EmoLabel" / name for name in LISTS if (folder / "EmoLabel" / name).is_file())
    picture_folder = folder / "Image" / "aligned"
    keys, targets = [], []
    for number, line in enumerate(list_text(label_file).splitlines(), 1):
        words = line.split()
        if not words:
            continue
        if len(words) != 2 or words[1] not in {str(n) for n in range(1, 8)}:
            raise DataError(f"line {number} of {label_file.name} is not a file name and a label from 1 to 7; restore the file")
        if words[0].startswith(f"{split}_"):
            keys.append(words[0])
            targets.append(int(words[1]) - 1)
    doubled = sorted({key for key in keys if keys.count(key) > 1}) if len(set(keys)) < len(keys) else []
    if doubled:
        raise DataError(f"{doubled[0]} stands twice in {label_file.name}; restore the file")
    paths = tuple(picture_folder / f"{Path(key).stem}_aligned{Path(key).suffix}" for key in keys)
    check_listed(picture_folder, paths, f"{split}_", label_file.name)
    return ImageSet(tuple(keys), np.array(targets, dtype=np.int64), LABELS, FileSource(paths), "raf-db")


def check_listed(folder: Path, paths: tuple[Path, ...], prefix: str, list_name: str) -> None:
    """Files and list must name the same images; raises DataError naming the first that only one of them has."""
    try:
        present = {path.name for path in folder.iterdir() if path.name.startswith(prefix)}
    except OSError as error:
        raise DataError(f"the image folder {folder} is missing; put the images there") from error
    listed = {path.name for path in paths}
    missing, extra = sorted(listed - present), sorted(present - listed)
    if missing:
        raise DataError(f"{named(missing)} listed in {list_name} but missing in {folder}; put the images back")
    if extra:
        raise DataError(f"{named(extra)} in {folder} but not in {list_name}; remove what does not belong, or restore the list")


def named(names: list[str]) -> str:
    """ "a.jpg is", "a.jpg and 3 more are": the beginning of a sentence about files."""
    return f"{names[0]} is" if len(names) == 1 else f"{names[0]} and {len(names) - 1} more are"


def list_text(path: Path) -> str:
    """The text of a label list, with or without the byte order mark that Windows programs put first. Raises DataError."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path.name} cannot be read as text; restore the file") from error
