"""Which benchmarks lie in a folder, and for the others where their owners hand them out and what layout is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from eval.catalogue import CATALOGUE
from eval.load import FERPLUS_NAMES, folder_names
from poster.data import ferplus_png, readers
from poster.data.ferplus import PICTURE_FILES, VOTE_FILE
from poster.errors import DataError

LOOKS = {
    "ferplus-csv": "fer2013.csv (plain, .gz or .xz; or icml_face_data.csv) + fer2013new.csv",
    "ferplus-png": "FER2013Test/fer0032220.png + FER2013Test/label.csv",
    "huggingface": "a repository id (org/name) or a folder with an image and a ClassLabel column",
    "sketch": "nothing: drawn by code",
}


def survey(data_dir: Path | None) -> list[dict[str, Any]]:
    """One row a benchmark (protocols gathered): name, title, protocols, images, licence, where it lies (found), how to get it, layouts."""
    if data_dir is not None and not data_dir.is_dir():
        raise DataError(f"the folder {data_dir} does not exist; give the folder with the data sets with --data")
    rows: dict[str, dict[str, Any]] = {}
    for benchmark in CATALOGUE:
        row = rows.setdefault(
            benchmark.name,
            {
                "name": benchmark.name,
                "version": benchmark.version,
                "title": benchmark.title,
                "protocols": [],
                "licence": benchmark.licence,
                "self_test": benchmark.self_test,
                "found": None,
                "obtain": benchmark.obtain,
                "layouts": [LOOKS.get(name) or readers.LAYOUTS[name].looks for name in benchmark.layouts],
            },
        )
        row["protocols"].append({"name": benchmark.protocol, "num_images": benchmark.num_images, "labels": list(benchmark.labels)})
        if row["found"] is None:
            row["found"] = _found(benchmark.name.removesuffix("-lower"), benchmark.layouts, data_dir)
        row["available"] = row["found"] is not None
    return list(rows.values())


def _found(name: str, layouts: tuple[str, ...], data_dir: Path | None) -> str | None:
    if name == "sketch":
        return "built in"
    if data_dir is None or name == "huggingface":
        return None
    if name == "ferplus":
        for place in readers.candidates(data_dir, FERPLUS_NAMES):
            if ferplus_png.here(place) or ((place / VOTE_FILE).is_file() and any((place / file).is_file() for file in PICTURE_FILES)):
                return str(place)
        return None
    owned = "imagefolder" in layouts and len(layouts) > 1
    names = folder_names(name)
    distinct = tuple(layout for layout in layouts if layout != "imagefolder") if owned else layouts
    found = readers.locate(data_dir, distinct, names) if name != "caer-s" else None
    if found is None:  # an ImageFolder says nothing about which set it is, unless a folder carries the set's name
        named = [place for place in readers.candidates(data_dir, names) if place != data_dir or name == "folder"]
        found = next(((place, readers.LAYOUTS["imagefolder"]) for place in named if readers.LAYOUTS["imagefolder"].here(place)), None)
    return None if found is None else str(found[0])
