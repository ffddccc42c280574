"""``python -m eval heatmaps-page WEIGHTS CHOICE.json TEST.json --out docs/heatmaps.md``: the page about a model's heatmaps, with its pictures."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from eval.result import check_output
from poster.errors import InputError

TILE = 150  # pixels


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("weights", metavar="WEIGHTS", help="the checkpoint that was measured")
    parser.add_argument("choice", metavar="CHOICE.json", help="`eval heatmaps --part validation --out`")
    parser.add_argument("test", metavar="TEST.json", help="`eval heatmaps --out`")
    parser.add_argument("--out", default="docs/heatmaps.md", help="the page; its pictures go beside it")


def run(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from eval.heatmaps_page import write_page
    from poster.digest import file_sha256

    check_output(Path(options.out), ".md")
    choice, test = (_read(Path(path)) for path in (options.choice, options.test))
    sha256 = file_sha256(Path(options.weights))
    if {choice["weights_sha256"], test["weights_sha256"]} != {sha256}:
        raise InputError("the measurements are of other weights; name the checkpoint they were made with")
    if (choice["part"], test["part"]) != ("validation", "test"):
        raise InputError("the first file must be measured with --part validation, the second on the test part")
    if choice["winner"] != test["source"]:
        raise InputError(
            f"{choice['winner']} won on the validation part, but the default is {test['source']}; set DEFAULT in poster/attention.py and measure again"
        )
    write_page(choice, test, examples(Path(options.weights)), Path(options.out))
    return {"page": options.out}, f"{options.out} is written, its pictures beside it"


def _read(path: Path) -> dict[str, Any]:
    """An answer of ``eval heatmaps``. Raises InputError."""
    try:
        answer = json.loads(path.read_text(encoding="utf-8"))
        return {**answer, "maps": dict(answer["maps"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is no output of `python -m eval heatmaps`; make one with --out") from error


def examples(weights: Path) -> np.ndarray:
    """(H, W, 3) uint8: a column a source, rows all levels and each level, over the face of scikit-image's astronaut (NASA, public domain)."""
    from PIL import Image
    from skimage.data import astronaut

    import poster
    from poster.attention import sources
    from poster.face import crop_face, find_faces
    from poster.overlay import blend
    from poster.predict import predict

    model, photo = poster.load_model(weights), astronaut()
    faces = find_faces(photo)[:1]
    crop, _ = crop_face(photo, faces[0], model.contract.crop, TILE)
    columns = []
    for source in sources(model):
        tiles = [crop]
        for level in (None, 0, 1, 2):
            values = predict(model, photo, faces, (source,), level=level)[0].heatmaps[source]
            tiles.append(blend(crop, np.asarray(Image.fromarray(values).resize((TILE, TILE), Image.Resampling.BILINEAR))))
        columns.append(np.concatenate(tiles))
    return np.concatenate(columns, axis=1)
