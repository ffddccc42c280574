"""How dlib looks at a photo: coarsely first, finely where that is not enough, and what it is less sure of where nothing else is found."""

from __future__ import annotations

import numpy as np
import pytest
import skimage.data
from PIL import Image, ImageFilter

from poster.detection import dlib_faces
from poster.detection.dlib_faces import DOUBTFUL, SCORE
from poster.detection.faces import overlap

FACES = dlib_faces.dlib_faces()


@pytest.mark.parametrize(("face", "looks"), [(200, 1), (100, 2)])
def test_dlib_looks_at_a_close_up_once_and_coarsely(face, looks, monkeypatch):
    """One face in the middle of a photo of 512 x 512, 260 or 130 pixels tall. A third of the side is enough, and nothing finer is looked at."""
    seen: list[int] = []
    resized = dlib_faces.resized
    monkeypatch.setattr(dlib_faces, "resized", lambda photo, pixels, enlarge: seen.append(round(pixels)) or resized(photo, pixels, enlarge))
    head = Image.fromarray(skimage.data.astronaut()[:260, 110:340])  # the face about 100 pixels wide
    head = head.resize((round(2.3 * face), round(2.6 * face)), Image.Resampling.LANCZOS)
    photo = Image.new("RGB", (512, 512), (90, 110, 130))
    corner = (512 - head.width) // 2, (512 - head.height) // 2
    photo.paste(head, corner)
    found = FACES.find(np.asarray(photo))
    assert seen == [262_144, 1_048_576][:looks] and len(found) == 1
    x0, y0, x1, y1 = found[0].box
    assert ((x0 + x1) / 2, (y0 + y1) / 2) == pytest.approx((corner[0] + 1.14 * face, corner[1] + 1.2 * face), abs=0.12 * face)
    assert x1 - x0 == pytest.approx(0.95 * face, rel=0.2)


def test_beside_a_close_up_dlib_finds_a_face_half_as_large():
    head = Image.fromarray(skimage.data.astronaut()[:260, 110:340])
    photo = Image.new("RGB", (800, 600), (90, 110, 130))
    for face, corner in ((210, (0, 30)), (105, (500, 200))):
        photo.paste(head.resize((round(2.3 * face), round(2.6 * face)), Image.Resampling.LANCZOS), corner)
    widths = sorted(one.box[2] - one.box[0] for one in FACES.find(np.asarray(photo)))
    assert widths == pytest.approx([100, 200], rel=0.2)


@pytest.mark.parametrize(("turned", "blur"), [(-5, 3.2), (0, 3.8), (0, 3.6)])  # doubtful in the fine look, in the coarse one, in both
def test_a_doubtful_face_counts_where_no_other_is_found(turned, blur):
    """A blurred head alone is found once; beside a sharp one it is not."""
    sharp = Image.fromarray(skimage.data.astronaut()[:260, 110:340])
    photo = Image.new("RGB", (400, 400), (90, 110, 130))  # the face is no close-up in it
    photo.paste(sharp.rotate(turned, Image.Resampling.BICUBIC, fillcolor=(90, 110, 130)), (85, 70))
    photo = photo.filter(ImageFilter.GaussianBlur(blur))
    (alone,) = FACES.find(np.asarray(photo))
    assert DOUBTFUL <= alone.score < SCORE and alone.doubtful
    x0, y0, x1, y1 = FACES.find(np.asarray(sharp))[0].box
    assert overlap(alone.box, (x0 + 85, y0 + 70, x1 + 85, y1 + 70)) > 0.5
    pair = Image.new("RGB", (800, 400), (90, 110, 130))
    pair.paste(photo, (0, 0))
    pair.paste(sharp, (485, 70))
    (one,) = FACES.find(np.asarray(pair))
    assert one.score >= SCORE and not one.doubtful and one.box[0] > 400


@pytest.mark.parametrize(
    ("photo", "copy"),
    [
        ((48, 48), (192, 192)),
        ((200, 200), (800, 800)),
        ((300, 300), (1000, 1000)),
        ((512, 512), (1024, 1024)),
        ((1080, 1920), (1061, 1886)),
        ((3000, 4000), (1225, 1633)),
    ],
)
def test_the_copy_that_dlib_looks_at(photo, copy):
    """Enlarged four times at most, twice from a million pixels on, and never beyond two million."""
    wanted = dlib_faces.copy_pixels(photo[0] * photo[1])
    assert wanted == pytest.approx(copy[0] * copy[1], rel=2e-3)
