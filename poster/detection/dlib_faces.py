"""dlib's histogram-of-gradients detector (King 2009), which comes with face_alignment and needs no weights of its own."""

from __future__ import annotations

from collections.abc import Iterator

import dlib
import numpy as np
from PIL import Image

from poster.detection.faces import SAME_FACE, Detector, Found, distinct, overlap, resized, scaled

PIXELS, ENLARGE = 2_000_000, 4.0  # its smallest face is 80 pixels of the copy
# Where no face has SCORE, those with DOUBTFUL count. Of 200 FER2013 faces (PublicTest) in photos 175 are found so, 154 without; in 300 cuttings
# from photos of other things (coins, with their heads, left out) two faces that are none, without it none.
SCORE, DOUBTFUL = 0.2, -0.2
FINE_PIXELS, FINE_ENLARGE = 1_000_000, 2.0  # a copy of so many pixels is enlarged less: faces under 40 pixels hold less than any model reads
# Beside a face as tall as that share of the photo's shorter side, only faces about half as tall count; a copy of so many times fewer pixels shows them.
CLOSE_UP, COARSER = 1 / 3, 4
CLOSER_PIXELS = 8_000_000  # where it found none: the small faces of a group. Half a second, so only then
SIDEWAYS = (1, 2)  # of its five templates: frontal, looking left, looking right, and two of a tilted frontal face

# dlib draws a square from the brows to the chin. As shares of that square, the box the others draw: hairline to chin, ear to ear.
# Medians over 600 FER2013 pictures, against YuNet's box (see FER2013_MARGIN in face.py for the same pictures).
TO_FACE = (0.055, -0.155, 0.945, 1.005)


def dlib_faces() -> Detector:
    """Faces from the front, a little aside or tilted."""
    # It keeps the picture it looks at, and releases Python's lock: with a copy a photo under way, photos are looked at side by side. A copy
    # keeps the features of its last picture, so one a thread would cost a server with many threads far more than it ever uses at once.
    idle: list[dlib.fhog_object_detector] = []
    left, top, right, bottom = TO_FACE

    def look(photo: np.ndarray, pixels: float) -> list[Found]:
        grey, scale = resized(photo, pixels, ENLARGE)
        try:
            network = idle.pop()
        except IndexError:
            network = dlib.get_frontal_face_detector()
        squares, scores, kinds = network.run(grey, 0, DOUBTFUL)
        if pixels <= PIXELS:  # the features of a larger picture are not worth their memory
            idle.append(network)
        found = []
        for square, score, kind in zip(squares, scores, kinds, strict=True):
            x, y, side = square.left(), square.top(), square.width()
            box = scaled((x + left * side, y + top * side, x + right * side, y + bottom * side), scale)
            found.append(Found(box, float(score), sideways=kind in SIDEWAYS, doubtful=score < SCORE))
        return found

    def sure(found: list[Found]) -> list[Found]:
        return [face for face in found if not face.doubtful]

    def looks(rgb: np.ndarray) -> Iterator[list[Found]]:
        photo, coarse, first = np.asarray(Image.fromarray(rgb).convert("L")), [], []
        usual = copy_pixels(photo.size)
        if usual >= FINE_PIXELS:
            coarse = look(photo, usual / COARSER)
            yield (first := sure(coarse))
            if any(face.box[3] - face.box[1] >= CLOSE_UP * min(photo.shape) for face in first):
                return
        fine = look(photo, usual)
        yield (more := [face for face in sure(fine) if not any(overlap(face.box, known.box) > SAME_FACE for known in first)])
        if not first + more:
            closer = photo.size * ENLARGE**2 > usual  # else that look was as close as any
            yield (sure(look(photo, CLOSER_PIXELS)) if closer else []) or distinct(coarse + fine)

    return Detector("dlib", looks)


def copy_pixels(photo: int) -> float:
    """Pixels of a photo -> of the copy that dlib looks at."""
    return min(photo * ENLARGE**2, max(FINE_PIXELS, min(photo * FINE_ENLARGE**2, PIXELS)))
