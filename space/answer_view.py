"""An answer as HTML: the photo with boxes and heatmap, a bar chart a face. Everything is in the page itself, nothing is written to disk."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator, Sequence
from functools import cache
from html import escape
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from poster.face import MAX_FACES
from poster.overlay import RIM, colour, dot_radius, opacity
from poster.percent import percent
from poster.quality import USABLE
from space.engine import Answer
from space.expressions import COLOURS, MEANINGS

if TYPE_CHECKING:
    from poster.predict import Prediction

OPACITY = 60  # percent the strongest place of the heatmap starts with
LEAST = 320  # pixels a photo is shown wide, however small it is
THUMB = 96  # pixels of a face's own picture
NARROW = 0.15  # of the photo's width; a narrower box carries its number alone
TOP = 0.08  # of its height; a box that starts above has its words inside
DETECTORS = {"dlib": "dlib (histogram of gradients)", "yunet": "YuNet", "s3fd": "S3FD"}
NO_FACE = "No face was found in this photo. Use a larger or more frontal face, or classify the whole picture as if it were one."
SLIDER = (
    f'<label class="opacity">Heatmap <input type="range" min="0" max="100" value="{OPACITY}" aria-label="Opacity of the heatmap in percent">'
    f"<output>{OPACITY} %</output></label>"
)
MEASURES = {"picture": "from its size and sharpness", "embedding norm": "from the norm of its embedding"}
PROBLEMS = {"small": "small in the photo", "blurred": "blurred", "turned": "turned aside", "doubtful": "perhaps no face at all"}
WEAK = "the answer is less certain than the numbers look."


def answers_html(answers: Sequence[Answer], is_example: bool = False) -> str:
    """The results of one model, or of two side by side, on one photo."""
    credit = '<p class="note">Eileen Collins, NASA, 1999, public domain.</p>' if is_example else ""
    columns = "".join(answer_html(one, headed=len(answers) > 1) for one in answers)
    return f'<div class="answers{" pair" if len(answers) > 1 else ""}">{columns}</div>{credit}'


def answer_html(answer: Answer, headed: bool = False) -> str:
    """The result of one model on one photo."""
    title = f'<h2 class="model">{escape(answer.model)}</h2>' if headed else ""
    if not answer.predictions:
        return f'<div class="answer">{title}{photo_html(answer)}{message_html(NO_FACE)}</div>'
    faces = "".join(face_html(answer, number, one) for number, one in enumerate(answer.predictions, 1))
    rest = f'<div class="faces">{faces}</div><p class="note how">{how(answer)}</p>'
    remark = message_html(answer.remark) if answer.remark else ""
    return f'<div class="answer" data-answer="{_data(answer)}">{title}{photo_html(answer)}{remark}{rest}</div>'


def message_html(sentence: str) -> str:
    """A sentence for the visitor, read out by screen readers as soon as it appears."""
    return f'<p class="message" role="alert">{escape(sentence)}</p>'


def photo_html(answer: Answer) -> str:
    """The photo; over it the heatmap, whose opacity the page changes by itself, the landmarks, which it hides at first, and the boxes."""
    height, width = answer.photo.shape[:2]
    wider = f' style="width:{LEAST}px"' if width < LEAST and height < 2 * width else ""
    photo = f'<img class="photo"{wider} alt="{escape(alt_text(answer))}" width="{width}" height="{height}" src="{_jpeg(answer.photo)}">'
    if not answer.predictions:
        return f'<figure class="seen"><div class="stage">{photo}</div></figure>'
    heat = "" if answer.heat is None else f'<img class="heat" alt="" aria-hidden="true" src="{_heat(answer.heat)}">'
    boxes = "".join(_box(answer, number, one) for number, one in enumerate(answer.predictions, 1)) if answer.detector != "none" else ""
    slider = "" if answer.heat is None else SLIDER
    points = _points(answer)
    ticks = f'{slider}<label class="tick"><input type="checkbox" class="boxes" checked> Boxes</label>'
    ticks += '<label class="tick"><input type="checkbox" class="landmarks"> Landmarks</label>' if points else ""
    saves = "".join(f'<button type="button" data-save="{kind}">{kind.upper()}</button>' for kind in ("png", "csv", "json"))
    return (
        f'<figure class="seen"><div class="stage">{photo}{heat}{points}{boxes}</div>'
        f'<figcaption>{ticks}<span class="saves" role="group" aria-label="Download">{saves}</span></figcaption></figure>'
    )


def face_html(answer: Answer, number: int, face: Prediction) -> str:
    """One face: its picture, its strongest expression in words, all probabilities as sorted bars."""
    label, probability = face.ranked[0]
    title = f"Face {number}" if answer.detector != "none" else "Whole picture"
    sure = escape(percent(probability))
    bars = "".join(_bar(*pair) for pair in face.ranked)
    warning = f'<p class="weak">{doubt}</p>' if (doubt := weakness(face)) else ""
    return (
        f'<section class="face" aria-label="{title}: {label} {sure}"><header>'
        f'<img class="thumb" alt="" src="{_jpeg(_cut(answer, face))}"><div>'
        f'<p class="which">{title} <span>quality {face.quality:.2f} of 1, {MEASURES[face.measure]}</span></p>'
        f'<h3>{label.capitalize()} <b>{sure}</b></h3><p class="means">{MEANINGS[label]}</p></div></header>'
        f'{warning}<ol class="bars">{bars}</ol></section>'
    )


def weakness(face: Prediction) -> str:
    """Why an answer is to be doubted, in a sentence; empty where nothing speaks against it."""
    words = [PROBLEMS[one] for one in face.problems]
    if not words and face.quality >= USABLE:
        return ""
    listed = " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
    return f"This face is {listed}: {WEAK}" if words else f"The quality of this face is low: {WEAK}"


def how(answer: Answer) -> str:
    """How the answer came about: model, detector, heatmap, time."""
    found = f"faces found with {DETECTORS[answer.detector]}" if answer.detector != "none" else "the whole picture was taken as one face"
    found += f", the {MAX_FACES} largest at most" if len(answer.predictions) == MAX_FACES else ""
    heat = f"; heatmap: {answer.heatmap.words}" if answer.heatmap else ""
    return escape(f"{answer.model}; {found}{heat}; {answer.seconds:.1f} s for {answer.width} x {answer.height} pixels.")


def alt_text(answer: Answer) -> str:
    """What a screen reader says of the photo."""
    if not answer.predictions:
        return "The photo; no face was found in it."
    said = [f"face {number} {one.ranked[0][0]} {percent(one.ranked[0][1])}" for number, one in enumerate(answer.predictions, 1)]
    return f"The photo with {len(said)} {'face' if len(said) == 1 else 'faces'}: {', '.join(said)}."


def table(answer: Answer) -> Iterator[dict[str, object]]:
    """One line a face for the downloads: box in pixels of the upright photo, quality, a probability per expression."""
    for number, one in enumerate(answer.predictions, 1):
        edges = dict(zip(("x0", "y0", "x1", "y1"), (round(float(edge), 1) for edge in one.box), strict=True))
        yield {"face": number, **edges, "quality": round(one.quality, 4), "problems": " ".join(one.problems), **{name: round(p, 6) for name, p in one.ranked}}


def _data(answer: Answer) -> str:
    """What the page saves as CSV or JSON, for an attribute; the landmarks, x and y in pixels of the photo, as JSON alone."""
    data = {"model": answer.model, "detector": answer.detector, "width": answer.width, "height": answer.height, "faces": list(table(answer))}
    landmarks = [one.points.round(1).tolist() for one in answer.predictions if one.points is not None]
    return escape(json.dumps({**data, "landmarks": landmarks} if landmarks else data))


def _bar(label: str, probability: float) -> str:
    return (
        f'<li title="{MEANINGS[label]}"><span class="name">{label}</span><span class="track"><span class="fill" '
        f'style="width:{100 * probability:.1f}%;background:{COLOURS[label]}"></span></span><span class="value">{escape(percent(probability))}</span></li>'
    )


def _box(answer: Answer, number: int, face: Prediction) -> str:
    x0, y0, x1, y1 = face.box
    label, probability = face.ranked[0]
    place = f"left:{100 * x0 / answer.width:.2f}%;top:{100 * y0 / answer.height:.2f}%"
    size = f"width:{100 * (x1 - x0) / answer.width:.2f}%;height:{100 * (y1 - y0) / answer.height:.2f}%"
    words = f"{number}" if (x1 - x0) < NARROW * answer.width else f"{number} {label} {escape(percent(probability))}"
    low = " low" if y0 < TOP * answer.height else ""
    return f'<span class="box{low}" aria-hidden="true" style="{place};{size};--tint:{COLOURS[label]}"><b>{words}</b></span>'


def _points(answer: Answer) -> str:
    """The landmarks as dots in the photo's own pixels: lines of nearly no length with round ends, of each face first the rims, then the dots."""
    paths = []
    for points in (one.points for one in answer.predictions if one.points is not None):
        places, wide = "".join(f"M{x:.1f} {y:.1f}h.01" for x, y in points.tolist()), 2 * dot_radius(points, max(answer.width, answer.height))
        paths += [f'<path d="{places}" stroke="{tint}" stroke-width="{width:.2f}"/>' for tint, width in (("#16161a", wide * RIM), ("#fff", wide))]
    frame = f'viewBox="0 0 {answer.width} {answer.height}" preserveAspectRatio="none"'
    return f'<svg class="points" {frame} fill="none" stroke-linecap="round" aria-hidden="true">{"".join(paths)}</svg>' if paths else ""


def _cut(answer: Answer, face: Prediction) -> np.ndarray:
    scale = answer.photo.shape[1] / answer.width
    x0, y0, x1, y1 = (round(edge * scale) for edge in face.box)
    image = Image.fromarray(answer.photo[max(0, y0) : max(y1, y0 + 1), max(0, x0) : max(x1, x0 + 1)])
    image.thumbnail((THUMB, THUMB))
    return np.asarray(image)


def _heat(values: np.ndarray) -> str:
    """Strong places opaque, weak ones clear; the page multiplies this by the opacity chosen. In 256 steps, so that a pixel is one byte."""
    colours, clear = _palette()
    image = Image.fromarray((255 * values.clip(0, 1)).round().astype(np.uint8))
    image.putpalette(colours)
    return _encoded(image, "png", compress_level=1, transparency=clear)  # a fraction of WebP's time


@cache
def _palette() -> tuple[bytes, bytes]:
    """What 256 values from 0 to 1 are drawn in: red, green and blue of each, and how opaque each is."""
    steps = np.linspace(0, 1, 256)
    return colour(steps).tobytes(), (255 * opacity(steps)).round().astype(np.uint8).tobytes()


def _jpeg(rgb: np.ndarray) -> str:
    return _encoded(Image.fromarray(rgb), "jpeg", quality=86)


def _encoded(image: Image.Image, kind: str, **options: int | bytes) -> str:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
