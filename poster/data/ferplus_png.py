"""FERPlus as Microsoft's script unpacks it: FER2013Test/fer0032220.png with a label.csv of votes beside the pictures."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from poster.data.ferplus import SIDE, FerPlus
from poster.data.images import file_stamp, open_image
from poster.data.raf_db import check_listed
from poster.errors import DataError

FOLDERS = {"Training": "FER2013Train", "PublicTest": "FER2013Valid", "PrivateTest": "FER2013Test"}


def here(folder: Path) -> bool:
    """Whether FER2013Test holds a label.csv."""
    return (folder / "FER2013Test" / "label.csv").is_file()


def read_ferplus_png(folder: Path) -> tuple[FerPlus, dict[str, list[str]], str]:
    """The parts that are there, their file names by part, and a stamp of all files; rows in the order of each label.csv.

    A line is: file name, "(0, 0, 48, 48)", ten votes. Raises DataError for a malformed line, a picture missing, extra or not 48 x 48.
    """
    images, votes, usage = [], [], []
    names: dict[str, list[str]] = {}
    stamps: list[str] = []
    for part, place in FOLDERS.items():
        label_file = folder / place / "label.csv"
        if not label_file.is_file():
            continue
        rows = _rows(label_file)
        names[part] = [name for name, _ in rows]
        paths = tuple(folder / place / name for name in names[part])
        check_listed(folder / place, paths, "fer", label_file.name)
        stamps.extend(file_stamp(path) for path in (label_file, *paths))
        for path, (_, row) in zip(paths, rows, strict=True):
            image = open_image(path, path.name)
            if image.shape != (SIDE, SIDE):
                raise DataError(f"the picture {path.name} is not {SIDE} x {SIDE} grey; restore it from the official data")
            images.append(image)
            votes.append(row)
            usage.append(part)
    return FerPlus(np.stack(images), np.array(votes, dtype=np.uint8), np.array(usage)), names, "".join(stamps)


def _rows(label_file: Path) -> list[tuple[str, list[int]]]:
    rows = []
    with label_file.open(newline="", encoding="utf-8-sig") as file:
        for number, fields in enumerate(csv.reader(file), 1):
            if not fields or (number == 1 and not fields[0].lower().endswith(".png")):
                continue  # a heading
            if not fields[0]:
                continue  # FER+ lists rows without a picture
            votes = [word.strip() for word in fields[-10:]]
            if len(fields) < 11 or not all(word.replace(".0", "").isdecimal() for word in votes):
                raise DataError(f"line {number} of {label_file.name} is not a file name and ten votes; restore the file")
            if Path(fields[0]).name != fields[0]:
                raise DataError(f"line {number} of {label_file.name} names a file outside its folder; restore the file")
            rows.append((fields[0], [int(float(word)) for word in votes]))
    if len({name for name, _ in rows}) < len(rows):
        raise DataError(f"a file name stands twice in {label_file.parent.name}/{label_file.name}; restore the file")
    return rows
