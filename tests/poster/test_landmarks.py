"""68 points: where a network sees them in the crop, there they are in the photo; and the shipped network sees them where its teacher does."""

from __future__ import annotations

import math
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.data import astronaut

from poster import landmarks
from poster.backbones import MobileFaceNet
from poster.contract import ModelContract
from poster.errors import CheckpointError
from poster.face import Face, crop_face, find_faces
from poster.landmarks import WEIGHTS, face_points, points_of, read
from poster.predict import predict_many, whole_picture
from poster.shipped import shipped_models
from poster.training.augment import MIRROR_68
from poster.training.landmarks import load_teacher, mean_distance, teacher_points

CONTRACT = ModelContract("mobilefacenet", (), input_size=48, channels="grey", mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25), crop=0.1)
EYES = np.array([[130.0, 120.0], [190.0, 140.0], [165.0, 170.0], [140.0, 190.0], [185.0, 205.0]])  # a head tilted by 18 degrees
TILTED = Face((100.0, 80.0, 220.0, 230.0), EYES)
UPRIGHT = Face((100.0, 80.0, 220.0, 230.0))
BEARABLE = 0.05  # of a crop's side, from the teacher's points; three pixels of 48


class Finder(torch.nn.Module):
    """Sees all 68 points at the brightness's centre of gravity."""

    def landmarks(self, images: torch.Tensor) -> torch.Tensor:
        light = images[:, 0] - images[:, 0].amin(dim=(1, 2), keepdim=True)
        at = (torch.arange(images.shape[-1]) + 0.5) / images.shape[-1]
        x, y = ((light.sum(dim=axis) * at).sum(dim=1) / light.sum(dim=(1, 2)) for axis in (1, 2))
        return torch.stack([x, y], dim=1)[:, None].expand(-1, 68, -1)


@pytest.mark.parametrize("face", [TILTED, UPRIGHT, Face((100.0, 80.0, 220.0, 230.0), detector="none")])
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_bright_spot_is_found_where_it_is_in_the_photo(face: Face, mirrored: bool) -> None:
    y, x = np.indices((300, 400)) + 0.5
    photo = np.repeat((255 * np.exp(-((x - 175) ** 2 + (y - 130) ** 2) / 50))[..., None], 3, axis=2).astype(np.uint8)
    spot = np.array([175.0, 130.0])
    if mirrored:
        photo, spot = photo[:, ::-1].copy(), np.array([400 - 175.0, 130.0])
        five = None if face.landmarks is None else (np.array([400, 0]) + face.landmarks * [-1, 1])[[1, 0, 2, 4, 3]]
        face = replace(face, box=(180.0, 80.0, 300.0, 230.0), landmarks=five)
    (points,) = points_of(Finder(), CONTRACT, [(photo, face)])
    assert points.shape == (68, 2)
    np.testing.assert_allclose(points, np.broadcast_to(spot, (68, 2)), atol=1.5)


def test_fractions_of_the_crop_become_pixels_of_the_photo() -> None:
    """All faces of a photo at once, against a turn and a scale worked out by hand; and each alone gives the same."""
    torch.manual_seed(0)
    network = MobileFaceNet(48, 0.125, landmark_head=True).eval()
    photo = astronaut()
    faces = [TILTED, UPRIGHT, whole_picture(photo)]
    found = points_of(network, CONTRACT, [(photo, face) for face in faces])
    # A found face's side is its box's longer one with a tenth of it on both ends.
    for face, points, side, angle in zip(faces, found, (150 * 1.2, 150 * 1.2, 512.0), (math.atan2(20, 60), 0.0, 0.0), strict=True):
        crop, _ = crop_face(photo, face, 0.0 if face.detector == "none" else 0.1, 48)
        grey = np.asarray(Image.fromarray(crop).convert("L"), np.float32)
        x = torch.from_numpy((grey / 255 - 0.5) / 0.25).expand(1, 3, -1, -1)
        seen = network.landmarks(x)[0].detach().double().numpy() - 0.5
        centre = np.array([face.box[0] + face.box[2], face.box[1] + face.box[3]]) / 2
        turned = seen @ np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
        np.testing.assert_allclose(points, centre + side * turned, atol=1e-2)
        np.testing.assert_allclose(points, points_of(network, CONTRACT, [(photo, face)])[0], atol=1e-2)


def test_the_file_is_read_once_however_many_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[Path] = []
    monkeypatch.setattr(landmarks, "read", lambda path: reads.append(path) or read(path))
    landmarks._shipped.cache_clear()
    asking = [threading.Thread(target=face_points, args=(astronaut(), [UPRIGHT])) for _ in range(4)]
    for one in asking:
        one.start()
    for one in asking:
        one.join()
    assert reads == [WEIGHTS] and face_points(astronaut(), ()) == () and reads == [WEIGHTS]


def test_the_shipped_file_is_small_no_model_of_its_own_and_says_what_it_is() -> None:
    network, contract = read(WEIGHTS)
    assert WEIGHTS.stat().st_size < 700_000 and WEIGHTS.stem not in shipped_models()
    assert contract.licence == "research only (FER2013 pictures)" and "distilled" in contract.source and contract.input_size == 48
    assert not network.training and {value.dtype for value in network.parameters()} == {torch.float32}


def test_a_file_without_a_contract_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match="no contract"):
        read(tmp_path / "a.safetensors")


def test_on_a_face_the_parts_are_where_they_belong() -> None:
    """Eileen Collins: brows above eyes above nose above mouth above chin, left of right; in the mirror the same, mirrored."""
    photo = astronaut()
    faces = find_faces(photo)
    (points,) = face_points(photo, faces)
    np.testing.assert_allclose(points, points_of(*read(WEIGHTS), [(photo, faces[0])])[0], atol=1e-3, err_msg="rewritten, the network is the same")
    x0, y0, x1, y1 = faces[0].box
    assert ((points > (x0 - 15, y0 - 15)) & (points < (x1 + 15, y1 + 15))).all()
    brows, eyes, nose, mouth, chin = (points[rows, 1].mean() for rows in (slice(17, 27), slice(36, 48), slice(31, 36), slice(48, 68), slice(7, 10)))
    assert brows < eyes < nose < mouth < chin
    assert points[36:42, 0].mean() < points[27:31, 0].mean() < points[42:48, 0].mean()
    flipped = photo[:, ::-1].copy()
    box = (512 - x1, y0, 512 - x0, y1)
    (other,) = face_points(flipped, [replace(faces[0], box=box, landmarks=None)])
    (same,) = face_points(photo, [replace(faces[0], landmarks=None)])
    back = np.array([512, 0]) + other[list(MIRROR_68)] * [-1, 1]
    assert np.linalg.norm(back - same, axis=1).mean() < 0.06 * (x1 - x0)


def test_points_come_with_a_prediction_only_when_asked_for() -> None:
    torch.manual_seed(0)
    import poster

    model = poster.create_model("posterpp_nano", num_classes=8).eval()
    model.contract = ModelContract("posterpp_nano", ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"), input_size=48)
    photo = astronaut()
    several = (UPRIGHT, whole_picture(photo))
    photos = [(photo, several), (photo, ()), (photo[:, ::-1].copy(), (UPRIGHT,))]
    asked = predict_many(model, photos, points=True)
    assert [len(one) for one in asked] == [2, 0, 1]
    for (rgb, faces), found in zip(photos, asked, strict=True):
        for one, expected in zip(found, face_points(rgb, faces), strict=True):
            np.testing.assert_allclose(one.points, expected, atol=1e-3)
    assert all(one.points is None for found in predict_many(model, photos) for one in found)


def test_the_shipped_network_agrees_with_its_teacher(shared: Path) -> None:
    """On pictures of FER2013 that it did not learn from: the lesson takes the first thousands."""
    import pandas as pd

    rows = pd.read_csv(shared / "data/fer2013/fer2013.csv.xz", skiprows=range(1, 8000), nrows=40)["pixels"]
    images = np.stack([np.array(text.split(), np.uint8).reshape(48, 48) for text in rows])
    network, contract = read(WEIGHTS)
    truth = teacher_points(load_teacher(shared / "data/weights/mobilefacenet_landmark.pth"), images)
    error = mean_distance(network, images, truth, contract)
    mean_face = float((truth - truth.mean(dim=0)).norm(dim=2).mean())
    assert error < BEARABLE and error < 0.75 * mean_face
