"""The layouts users have on disk, each recognised by itself: a folder goes in, an ImageSet comes out. FERPlus has its own module."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from poster.data import affectnet, class_folders, raf_db
from poster.data.images import ImageSet
from poster.errors import DataError


@dataclass(frozen=True)
class Layout:
    """name: as in a result. looks: what a user must have, in words. here: the folder that has this layout directly, or None.
    read: (folder, split, labels) -> images; split is "test" or "train"; labels names or orders the classes where files hold numbers."""

    name: str
    looks: str
    here: Callable[[Path], bool]
    read: Callable[[Path, str, tuple[str, ...] | None], ImageSet]


LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        Layout("raf-db", "EmoLabel/list_patition_label.txt + Image/aligned/test_0001_aligned.jpg", raf_db.here, raf_db.read),
        Layout("affectnet-npy", "val_set/images/*.jpg + val_set/annotations/*_exp.npy", affectnet.npy_here, affectnet.read_npy),
        Layout("affectnet-list", "valid_set/ with valid_annotations_7class.txt (file name, label)", affectnet.list_here, affectnet.read_list),
        Layout("imagefolder", "test/<class>/* (or valid/, val/, or the class folders themselves)", class_folders.here, class_folders.read),
    )
}


def locate(data_dir: Path, layouts: Sequence[str], names: Sequence[str] = ()) -> tuple[Path, Layout] | None:
    """Where one of these layouts lies: in the folder itself, else in a subfolder called as the benchmark (one or two levels down)."""
    for folder in candidates(data_dir, names):
        for name in layouts:
            if name in LAYOUTS and LAYOUTS[name].here(folder):
                return folder, LAYOUTS[name]
    return None


def candidates(data_dir: Path, names: Sequence[str] = ()) -> list[Path]:
    """The folder, then subfolders whose name means one of ``names`` ("RAF_DB" means "raf-db"), then those one level inside these."""
    wanted = {_plain(name) for name in names}
    named = [child for child in subfolders(data_dir) if _plain(child.name) in wanted]
    inner = [grandchild for child in (data_dir, *named) for grandchild in subfolders(child) if grandchild.name.lower() in ("basic", "dataset", "data")]
    return [data_dir, *named, *inner]


def read(data_dir: Path, layouts: Sequence[str], split: str = "test", labels: tuple[str, ...] | None = None, names: Sequence[str] = ()) -> ImageSet:
    """The images of the first of these layouts found in ``data_dir``. Raises DataError when there is none, or it is broken."""
    if not data_dir.is_dir():
        raise DataError(f"the folder {data_dir} does not exist; give the data set's folder with --data")
    found = locate(data_dir, layouts, names)
    if found is None:
        looks = "; or ".join(LAYOUTS[name].looks for name in layouts if name in LAYOUTS)
        raise DataError(f"{data_dir} has none of the layouts that are read here: {looks}")
    folder, layout = found
    images = layout.read(folder, split, labels)
    if not len(images):
        raise DataError(f"{folder} has the layout {layout.name}, but no image of its {split} part; put the images in place")
    return images


def subfolders(folder: Path) -> list[Path]:
    """Its folders by name, hidden ones left out; none when it cannot be listed."""
    try:
        return sorted(child for child in folder.iterdir() if child.is_dir() and not child.name.startswith((".", "__")))
    except OSError:
        return []


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())
