"""Small copies of every layout, made of sketch faces."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from poster.data.sketch import draw_face
from poster.labels import EXPRESSIONS, ORDERS


def face(path: Path, expression: str, seed: int, grey: bool = False) -> Path:
    """Draw one face into a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(draw_face(expression, np.random.default_rng(seed))).resize((48, 48))
    (image.convert("L") if grey else image).save(path)
    return path


def raf_db(folder: Path, per_class: int = 2) -> Path:
    """EmoLabel/list_patition_label.txt and Image/aligned, a train part of one image a class beside the test part."""
    lines = []
    for split, count in (("test", per_class), ("train", 1)):
        for number, label in enumerate(label for label in range(1, 8) for _ in range(count)):
            face(folder / "Image" / "aligned" / f"{split}_{number + 1:04d}_aligned.jpg", ORDERS["raf-db"][label - 1], 100 * (split == "train") + number)
            lines.append(f"{split}_{number + 1:04d}.jpg {label}")
    (folder / "EmoLabel").mkdir()
    (folder / "EmoLabel" / "list_patition_label.txt").write_text("\n".join(lines) + "\n")
    return folder


def class_folders(folder: Path, names: Iterable[str] = ORDERS["raf-db"], per_class: int = 2, split: str = "test", first_seed: int = 0) -> Path:
    """split/<name>/N.png; a numbered name is drawn by its position in RAF-DB's order."""
    seed = first_seed
    for position, name in enumerate(names):
        expression = name.lower() if name.lower() in EXPRESSIONS else EXPRESSIONS[position % 8]
        for number in range(per_class):
            face(folder / split / name / f"{number}.png", expression, seed)
            seed += 1
    return folder


def affectnet_npy(folder: Path, values: Iterable[int] = range(11)) -> Path:
    """val_set/images/N.jpg and val_set/annotations/N_exp.npy."""
    (folder / "val_set" / "annotations").mkdir(parents=True)
    for number, value in enumerate(values):
        face(folder / "val_set" / "images" / f"{number}.jpg", EXPRESSIONS[value % 8], number)
        np.save(folder / "val_set" / "annotations" / f"{number}_exp.npy", np.array(str(value)))
        np.save(folder / "val_set" / "annotations" / f"{number}_val.npy", np.array("0.1"))
    return folder


def affectnet_list(folder: Path) -> Path:
    """valid_set/valid_annotations_7class.txt and valid_set/images."""
    lines = []
    for number in range(7):
        face(folder / "valid_set" / "images" / f"{number}.jpg", EXPRESSIONS[number], number)
        lines.append(f"{number}.jpg {number}")
    (folder / "valid_set" / "valid_annotations_7class.txt").write_text("\n".join(lines))
    return folder


def ferplus_png(folder: Path, images: np.ndarray, votes: np.ndarray, part: str = "FER2013Test", heading: bool = False) -> Path:
    """FER2013Test/ferN.png and label.csv."""
    place = folder / part
    place.mkdir(parents=True)
    lines = ["Image name,box,n,h,su,sa,a,d,f,c,u,nf"] if heading else []
    for number, (image, row) in enumerate(zip(images, votes, strict=True)):
        Image.fromarray(image).save(place / f"fer{number:07d}.png")
        lines.append(f'fer{number:07d}.png,"(0, 0, 48, 48)",' + ",".join(map(str, row.tolist())))
    (place / "label.csv").write_text("\n".join(lines))
    return folder
