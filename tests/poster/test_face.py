"""Faces: found where they are with every detector at hand, and cropped to exactly the place the affine says."""

from __future__ import annotations

import io
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from poster import detectors
from poster.face import FER2013_MARGIN, MAX_FACES, CropBox, Face, crop_face, detector_name, find_faces
from poster.photo import read_photo

EYES, NOSE, CHIN, BROWS = (226, 103), (224, 127), (226, 176), (227, 90)  # of the astronaut, read off the picture, x and y in pixels


@pytest.fixture(params=["dlib", "yunet"])
def in_use(request, monkeypatch, tmp_path) -> str:
    """Run with each detector; YuNet's weights are not part of the project."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    if request.param == "yunet":
        monkeypatch.setenv(detectors.WEIGHTS_SETTING, str(request.getfixturevalue("shared") / "data/weights/yunet_n_dynamic.onnx"))
    detectors._make.cache_clear()
    yield request.param
    detectors._make.cache_clear()


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    return skimage.data.astronaut()


def contains(box: tuple[float, float, float, float], point: tuple[float, float]) -> bool:
    return box[0] < point[0] < box[2] and box[1] < point[1] < box[3]


def assert_is_the_astronauts(face: Face, dx: float = 0, dy: float = 0, scale: float = 1) -> None:
    """From hairline (y 65) to chin (y 176) and ear to ear (x 181 to 270), within 15 % of the face's height."""
    expected = np.array([181 + dx, 62 + dy, 270 + dx, 176 + dy]) * scale
    np.testing.assert_allclose(face.box, expected, atol=0.15 * 114 * scale)


def test_the_astronaut_has_one_face(astronaut, in_use):
    faces = find_faces(astronaut)
    assert len(faces) == 1 and faces[0].detector == detector_name() == in_use
    assert_is_the_astronauts(faces[0])
    assert all(contains(faces[0].box, point) for point in (EYES, NOSE, BROWS))
    assert (faces[0].landmarks is None) == (in_use == "dlib")
    if in_use == "yunet":
        np.testing.assert_allclose(faces[0].landmarks[:2].mean(0), EYES, atol=5)
        np.testing.assert_allclose(faces[0].landmarks[2], NOSE, atol=5)


@pytest.mark.parametrize("scale", [0.3, 0.6, 2, 6])
def test_boxes_are_in_pixels_of_the_photo_whatever_its_size(astronaut, in_use, scale):
    side = round(512 * scale)
    faces = find_faces(np.asarray(Image.fromarray(astronaut).resize((side, side), Image.Resampling.LANCZOS)))
    assert_is_the_astronauts(faces[0], scale=scale)
    assert len(faces) == 1


def test_a_photo_turned_by_exif_gives_the_same_face(astronaut, in_use):
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(np.rot90(astronaut))).save(buffer, "JPEG", exif=exif, quality=95)
    (face,) = find_faces(read_photo(buffer.getvalue()))
    assert_is_the_astronauts(face)


def test_two_faces_largest_first(astronaut, in_use):
    half = np.asarray(Image.fromarray(astronaut).resize((307, 307), Image.Resampling.LANCZOS))
    beside = np.zeros((512, 819, 3), np.uint8)
    beside[:307, :307], beside[:, 307:] = half, astronaut
    faces = find_faces(beside)
    assert len(faces) == 2 and faces[0].area > faces[1].area
    assert_is_the_astronauts(faces[0], dx=307)
    assert_is_the_astronauts(faces[1], scale=0.6)
    assert find_faces(beside, limit=1) == faces[:1]


def test_of_twenty_faces_the_largest_eight(astronaut, in_use):
    head = astronaut[20:276, 90:346]
    rows = [np.hstack([np.roll(head, 3 * (5 * row + column), 1) for column in range(5)]) for row in range(4)]
    assert len(find_faces(np.vstack(rows), limit=50)) == 20
    faces = find_faces(np.vstack(rows))
    assert len(faces) == MAX_FACES == 8
    assert [face.area for face in faces] == sorted((face.area for face in find_faces(np.vstack(rows), limit=50)), reverse=True)[:8]


@pytest.mark.parametrize("name", ["black", "white", "tiny", "coffee", "brick", "strip", "noise"])
def test_no_face_is_an_empty_answer(name, in_use):
    pictures = {
        "black": np.zeros((300, 400, 3), np.uint8), "white": np.full((2000, 10, 3), 255, np.uint8), "tiny": np.zeros((1, 1, 3), np.uint8),
        "coffee": skimage.data.coffee(), "brick": np.repeat(skimage.data.brick()[..., None], 3, 2), "strip": np.zeros((1, 90_000, 3), np.uint8),
        "noise": np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8),
    }  # fmt: skip
    assert find_faces(pictures[name]) == ()


def test_boxes_stay_inside_the_photo(astronaut, in_use):
    close = astronaut[70:185, 175:280]  # the face fills it
    large = np.asarray(Image.fromarray(close).resize((1050, 1150), Image.Resampling.BICUBIC))
    for photo in (close, large):
        for face in find_faces(photo):
            assert 0 <= face.box[0] < face.box[2] <= photo.shape[1] and 0 <= face.box[1] < face.box[3] <= photo.shape[0]


def test_a_small_close_up_that_somebody_enlarged_is_found(astronaut, shared, monkeypatch):
    """YuNet's first look sees no face in it, the second one does."""
    monkeypatch.setenv(detectors.WEIGHTS_SETTING, str(shared / "data/weights/yunet_n_dynamic.onnx"))
    small = Image.fromarray(astronaut[50:190, 160:290]).resize((32, 32), Image.Resampling.LANCZOS)
    (face,) = find_faces(np.asarray(small.resize((1000, 1000), Image.Resampling.BICUBIC)))
    assert contains(face.box, (1000 * (NOSE[0] - 160) / 130, 1000 * (NOSE[1] - 50) / 140))


def test_both_detectors_crop_the_same_square(astronaut, shared, monkeypatch):
    """The same margin means the same crop whichever detector runs: the squares agree to a seventh of their side (dlib's own steps are a fifth)."""
    squares = []
    for weights in ("", str(shared / "data/weights/yunet_n_dynamic.onnx")):
        monkeypatch.setenv(detectors.WEIGHTS_SETTING, weights)
        where = crop_face(astronaut, Face(find_faces(astronaut)[0].box), FER2013_MARGIN, 112)[1]
        squares.append(where.to_photo(np.array([[0, 0], [112, 112]])))
    side = squares[1][1, 0] - squares[1][0, 0]
    assert np.abs(squares[0] - squares[1]).max() < side / 7


def test_the_margin_gives_back_the_crop_of_fer2013(shared, in_use):
    """FER2013 pictures, enlarged and widened by their own edge: the crop around the box found is the picture again, in the median."""
    import pandas as pd

    rows = pd.read_csv(shared / "data/fer2013/fer2013.csv.xz", nrows=40)["pixels"]
    squares = []
    for pixels in rows:
        grey = np.array(pixels.split(), np.uint8).reshape(48, 48)
        photo = np.pad(np.asarray(Image.fromarray(grey).resize((96, 96), Image.Resampling.BICUBIC)), 32, mode="edge")
        photo = np.repeat(photo[..., None], 3, 2)
        for face in find_faces(photo, limit=1):
            where = crop_face(photo, Face(face.box), FER2013_MARGIN, 48)[1]
            squares.append((where.to_photo(np.array([[0, 0], [48, 48]])).ravel() - 32) / 96)
    assert len(squares) > 0.5 * len(rows)
    np.testing.assert_allclose(np.median(squares, 0), [0, 0, 1, 1], atol=0.08)


# Crops


def coordinates() -> np.ndarray:
    """A picture (128, 128, 3) whose channels are 2 x and 2 y: a crop of it says where it was taken, to half a pixel."""
    y, x = 2 * np.mgrid[:128, :128]
    return np.stack([x, y, np.zeros_like(x)], 2).astype(np.uint8)


def with_eyes(box: tuple[float, float, float, float], degrees: float) -> Face:
    centre, reach = np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2]), 0.25 * (box[2] - box[0])
    along = np.array([math.cos(math.radians(degrees)), math.sin(math.radians(degrees))])
    across = np.array([-along[1], along[0]])
    points = [centre - reach * along - reach * across, centre + reach * along - reach * across, centre, centre + reach * across, centre + reach * across]
    return Face(box, np.array(points))


faces = st.builds(
    lambda x, y, w, h, degrees: with_eyes((x, y, x + w, y + h), degrees),
    st.floats(30, 55), st.floats(30, 55), st.floats(5, 40), st.floats(5, 40), st.floats(-179, 179),
)  # fmt: skip


@given(faces, st.floats(-0.3, 0.15), st.integers(8, 160))
@settings(max_examples=60, deadline=None)
def test_every_pixel_of_the_crop_comes_from_where_the_affine_says(face, margin, size):
    crop, where = crop_face(coordinates(), face, margin, size)
    assert crop.shape == (size, size, 3) and crop.dtype == np.uint8
    y, x = np.mgrid[:size, :size] + 0.5
    source = where.to_photo(np.column_stack([x.ravel(), y.ravel()]))
    inside = (source > 3).all(1) & (source < 125).all(1)
    away = crop.reshape(-1, 3)[inside, :2] / 2 + 0.5 - source[inside]  # pixel i is centred at i + 0.5
    assert np.abs(away).max() < 0.6 + 0.5 * np.linalg.norm(where.affine[:, 0])  # the outermost pixels average over a little less than their neighbours
    # A grey level is half a pixel: Pillow's turn drops its fraction, its reduction rounds it.
    assert away.mean(0).min() > -0.56 and away.mean(0).max() < 0.31


@given(faces, st.floats(-0.4, 2), st.integers(1, 64), st.lists(st.tuples(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4)), min_size=1, max_size=5))
@settings(max_examples=50, deadline=None)
def test_affine_round_trip(face, margin, size, points):
    where = crop_face(np.zeros((4, 4, 3), np.uint8), face, margin, size)[1]
    np.testing.assert_allclose(where.to_photo(where.to_crop(np.array(points))), points, atol=1e-6)
    centre = where.to_photo(np.array([[size / 2, size / 2]]))[0]
    np.testing.assert_allclose(centre, [(face.box[0] + face.box[2]) / 2, (face.box[1] + face.box[3]) / 2], atol=1e-6)
    longer = max(face.box[2] - face.box[0], face.box[3] - face.box[1])
    assert np.linalg.det(where.affine[:, :2]) == pytest.approx((longer * (1 + 2 * margin) / size) ** 2)


@given(faces)
@settings(max_examples=50, deadline=None)
def test_the_eyes_end_up_level(face):
    where = crop_face(np.zeros((4, 4, 3), np.uint8), face, 0.2, 100)[1]
    left, right = where.to_crop(face.landmarks[:2])
    assert left[1] == pytest.approx(right[1], abs=1e-6) and left[0] < right[0]


def test_a_level_crop_is_pillows_own_resize(astronaut):
    for box, size in (
        ((100.0, 50.0, 324.0, 274.0), 56),
        ((100.0, 50.0, 324.0, 274.0), 100),
        ((200.0, 80.0, 248.0, 128.0), 112),
        ((0.0, 0.0, 512.0, 512.0), 48),
    ):
        crop, _ = crop_face(astronaut, Face(tuple(box)), 0.0, size)
        reference = np.asarray(Image.fromarray(astronaut).resize((size, size), Image.Resampling.LANCZOS, box=tuple(box)))
        assert np.abs(crop.astype(int) - reference).mean() < 1.5


def test_the_heatmap_lies_where_the_crop_was(astronaut):
    """The inverse is what Pillow's transform wants: a crop warped back covers the photo's own pixels."""
    crop, where = crop_face(astronaut, with_eyes((180.0, 64.0, 270.0, 178.0), 12), 0.2, 160)
    back = np.asarray(Image.fromarray(crop).transform((512, 512), Image.Transform.AFFINE, where.inverse.ravel().tolist(), Image.Resampling.BILINEAR))
    y, x = np.mgrid[:512, :512] + 0.5
    inside = ((where.to_crop(np.column_stack([x.ravel(), y.ravel()])) - 80).__abs__() < 75).all(1).reshape(512, 512)
    assert inside.sum() > 10_000
    assert np.abs(back[inside].astype(int) - astronaut[inside]).mean() < 6


def test_beyond_the_edge_the_last_pixels_are_repeated():
    photo = np.zeros((100, 100, 3), np.uint8)
    photo[:, :50], photo[:, 50:] = (255, 0, 0), (0, 0, 255)
    crop, _ = crop_face(photo, Face((0.0, 0.0, 100.0, 100.0)), 1.0, 90)
    assert (crop[:, :40] == (255, 0, 0)).all() and (crop[:, 50:] == (0, 0, 255)).all()


def test_a_profiles_eyes_do_not_turn_the_crop():
    landmarks = np.array([[50.0, 40], [52, 45], [60, 60], [50, 80], [52, 80]])
    where = crop_face(np.zeros((120, 120, 3), np.uint8), Face((10.0, 10.0, 90.0, 100.0), landmarks), 0.0, 64)[1]
    assert where.affine[0, 1] == where.affine[1, 0] == 0


@pytest.mark.parametrize(("margin", "size"), [(-0.5, 10), (-1.0, 10), (0.0, 0)])
def test_nothing_left_to_crop(margin, size):
    with pytest.raises(ValueError, match="leave no pixel"):
        crop_face(np.zeros((9, 9, 3), np.uint8), Face((1.0, 1.0, 5.0, 5.0)), margin, size)
    crop_face(np.zeros((9, 9, 3), np.uint8), Face((1.0, 1.0, 5.0, 5.0)), -0.49, 1)


@pytest.mark.parametrize("box", [(5, 5, 5, 9), (5, 9, 9, 5), (0, 0, math.nan, 1), (0, 0, math.inf, 1)])
def test_a_box_is_a_box(box):
    with pytest.raises(ValueError, match="is not left < right"):
        Face(tuple(map(float, box)))
    with pytest.raises(ValueError, match="shape"):
        Face((0.0, 0.0, 1.0, 1.0), np.zeros((2, 5)))


def test_a_wide_margin_on_a_large_photo_costs_little_memory(tmp_path):
    """The square around this face is 30,000 pixels wide; only what the crop can show may be touched."""
    program = """
import numpy as np
from poster.face import Face, crop_face
photo = np.zeros((6000, 6000, 3), np.uint8); photo[::7] = 200
peak = lambda: int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) / 1024
before = peak()
crop_face(photo, Face((0.0, 0.0, 6000.0, 6000.0)), 2.0, 112)
print(peak() - before)
"""
    if not Path("/proc/self/status").exists():
        pytest.skip("the peak of a process's memory is read from Linux's /proc")
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=Path(__file__).resolve().parents[2], capture_output=True, text=True, check=True, env={**os.environ}, timeout=240
    )
    assert float(done.stdout) < 450  # the photo itself is 103 MiB, Pillow's copy of it 137


def test_crop_box_is_a_similarity():
    where = CropBox(np.array([[0.0, -2.0, 10.0], [2.0, 0.0, 20.0]]), 8)
    np.testing.assert_allclose(where.to_photo(np.array([[1.0, 0.0]])), [[10.0, 22.0]])
    np.testing.assert_allclose(where.to_crop(np.array([[10.0, 22.0]])), [[1.0, 0.0]])
