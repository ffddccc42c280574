"""``python -m eval crop DIR OUT``: cut the largest face out of every picture of an ImageFolder (CAER-S shows whole scenes)."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from eval import terminal
from poster.data.affectnet import SUFFIXES, is_picture
from poster.data.images import open_image
from poster.data.memo import write_atomically
from poster.errors import DataError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="DIR", help="folder of pictures, in any depth")
    parser.add_argument("out", metavar="OUT", help="folder to write to, with the same names")
    parser.add_argument("--margin", type=float, default=0.1, help="around the face, as a fraction of the longer side of its box")
    parser.add_argument("--size", type=int, default=224, help="pixels of the crops, both sides")


def run(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from poster.face import crop_face, detector_name, find_faces

    source, out = Path(options.source), Path(options.out)
    if not source.is_dir():
        raise DataError(f"the folder {source} does not exist; give the data set's folder")
    if not -0.5 < options.margin <= 2 or not 16 <= options.size <= 1024:
        raise DataError("the margin must be above -0.5 and at most 2, the size from 16 to 1024 pixels")
    if out.resolve().is_relative_to(source.resolve()):
        raise DataError("the output folder lies inside the source; choose a place beside it")
    paths = sorted(path for path in source.rglob("*") if is_picture(path))
    if not paths:
        raise DataError(f"{source} holds no pictures ({', '.join(SUFFIXES)})")
    targets = {path.relative_to(source).with_suffix(".png"): path for path in reversed(paths)}
    for path in paths:
        if (other := targets[path.relative_to(source).with_suffix(".png")]) != path:
            raise DataError(f"{other.name} and {path.name} in {path.parent.name} would become one picture; rename one of them")
    _check_settings(out, {"margin": options.margin, "size": options.size, "detector": detector_name()})
    faceless, kept = [], 0
    with terminal.ProgressBar(sys.stderr) as bar:
        for number, path in enumerate(paths, 1):
            target = out / path.relative_to(source).with_suffix(".png")
            if target.is_file():
                kept += 1
            else:
                image = open_image(path, str(path.relative_to(source)))
                colour = image if image.ndim == 3 else image[..., None].repeat(3, axis=2)
                faces = find_faces(colour, limit=1)
                if not faces:
                    faceless.append(str(path.relative_to(source)))
                crop = crop_face(colour, faces[0], options.margin, options.size)[0] if faces else _middle(colour, options.size)
                target.parent.mkdir(parents=True, exist_ok=True)
                partial = target.with_suffix(".tmp")
                Image.fromarray(crop).save(partial, "PNG")
                partial.replace(target)
            bar("cropping", number, len(paths))
    answer = {
        "images": len(paths), "kept": kept, "without_face": faceless, "detector": detector_name(), "margin": options.margin, "size": options.size,
    }  # fmt: skip
    earlier = f" {kept:,} were there from an earlier run." if kept else ""
    return answer, f"{len(paths) - kept:,} pictures cropped with {answer['detector']}; no face in {len(faceless)} (their middle was taken).{earlier}"


def _check_settings(out: Path, settings: dict[str, Any]) -> None:
    """An interrupted run goes on with the settings it began with: crops of two kinds in one set would be scored as one. Raises DataError."""
    path = out / "crop.json"
    try:
        before = json.loads(path.read_text())
    except FileNotFoundError:
        out.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(settings).encode())
        return
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read; choose another folder") from error
    if before != settings:
        raise DataError(f"{out} was begun with other settings ({before}); use the same, or choose another folder")


def _middle(image: Any, size: int) -> Any:
    side = min(image.shape[:2])
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    return np.asarray(Image.fromarray(image[top : top + side, left : left + side]).resize((size, size), Image.Resampling.BILINEAR))
