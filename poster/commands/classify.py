"""``python -m poster classify PHOTO``: the faces of a photo, their expressions, and where the decision came from."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from poster.errors import CheckpointError, PhotoError
from poster.face import detector_name, find_faces
from poster.overlay import blend, draw_boxes, draw_landmarks
from poster.percent import percent
from poster.photo import read_photo
from poster.predict import Prediction, over_photo, predict, whole_picture
from poster.shipped import SHIPPED, model_path

NO_FACE = "No face was found in this photo; use a larger or more frontal face, or classify the whole picture with --whole."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("photo", metavar="PHOTO", help="a JPEG, PNG or WebP file")
    parser.add_argument("--model", default=SHIPPED, metavar="NAME|FILE", help=f"a shipped model or a checkpoint file (default: {SHIPPED})")
    parser.add_argument("--heatmap", type=Path, metavar="OUT.png", help="write the photo with boxes, landmarks and heatmap")
    parser.add_argument("--source", default="default", help="what the heatmap is drawn from: default, or a source of poster/attention.py")
    parser.add_argument("--level", type=int, metavar="N", help="one level of the source, 0 for the finest (default: all together)")
    parser.add_argument("--expression", metavar="NAME", help="what speaks for this expression (default: each face's strongest)")
    parser.add_argument("--whole", action="store_true", help="classify the whole picture as one face")


def run(arguments: argparse.Namespace) -> tuple[dict[str, Any], str]:
    if arguments.heatmap and arguments.heatmap.suffix.lower() != ".png":
        raise PhotoError(f"--heatmap {arguments.heatmap.name} does not end in .png; the picture is written as PNG")
    rgb = read_photo(arguments.photo)
    from poster.checkpoint import load_model

    model = load_model(model_path(arguments.model))
    if not model.contract.labels:
        raise CheckpointError(f"{arguments.model} is a recognition backbone without an expression head; it gives embeddings, not expressions")
    faces = (whole_picture(rgb),) if arguments.whole else find_faces(rgb)
    explain = arguments.expression
    if explain is not None and explain not in model.contract.labels:
        raise CheckpointError(f"this model does not know {explain!r}; it knows {', '.join(model.contract.labels)}")
    draws = arguments.heatmap is not None
    predictions = predict(model, rgb, faces, (arguments.source,) if draws else (), explain, arguments.level, points=draws)
    if arguments.heatmap:
        _write(arguments.heatmap, rgb, predictions, arguments.source)
    detector = "none" if arguments.whole else detector_name()
    answer = to_json(predictions, model.contract.architecture, detector, rgb.shape[1], rgb.shape[0])
    if not predictions:
        answer["message"] = NO_FACE
    return answer, "\n".join(describe(predictions))


def to_json(predictions: tuple[Prediction, ...], model: str, detector: str, width: int, height: int) -> dict[str, Any]:
    """The object ``--json`` prints; boxes in pixels of the upright photo, probabilities from the largest down."""
    faces = [
        {
            "box": [round(float(edge), 2) for edge in prediction.box],
            "probabilities": dict(prediction.ranked),
            "quality": round(prediction.quality, 4),
        }
        for prediction in predictions
    ]
    return {"model": model, "detector": detector, "image": {"width": width, "height": height}, "faces": faces}


def describe(predictions: tuple[Prediction, ...]) -> Iterator[str]:
    """The report for people, a line a face."""
    if not predictions:
        yield NO_FACE
    for number, prediction in enumerate(predictions, 1):
        x0, y0, x1, y1 = (round(edge) for edge in prediction.box)
        top = ", ".join(f"{label} {percent(probability)}" for label, probability in prediction.ranked[:3])
        doubts = ", ".join((f"quality {prediction.quality:.2f}", *prediction.problems))
        yield f"face {number} at {x0},{y0} to {x1},{y1}: {top} ({doubts})"


def _write(path: Path, rgb: np.ndarray, predictions: tuple[Prediction, ...], source: str) -> None:
    heat = over_photo(predictions, source, rgb.shape[1], rgb.shape[0])
    drawn = draw_boxes(blend(rgb, heat), [prediction.box for prediction in predictions])
    try:
        Image.fromarray(draw_landmarks(drawn, [prediction.points for prediction in predictions])).save(path, format="PNG")
    except OSError as error:
        raise PhotoError(f"the heatmap cannot be written to {path}; name a file in a folder that exists and is writable") from error
