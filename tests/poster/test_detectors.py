"""Which detector runs, that a bad setting or file leaves one that works, and what holds for each of them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

from poster import detectors
from poster.detection import yunet
from poster.detectors import DOWNLOAD_SETTING, WEIGHTS_SETTING, detector

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch, tmp_path) -> Iterator[Path]:
    """No cached weights; gives the cache folder."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    detectors._make.cache_clear()
    yield tmp_path / "torch/hub/checkpoints"
    detectors._make.cache_clear()


def test_dlib_needs_nothing(caplog):
    assert detector().name == "dlib" and detector() is detector()
    assert not caplog.records


def test_named_weights_come_first_and_cached_ones_next(shared, bare_machine, monkeypatch):
    weights = shared / "data/weights/yunet_n_dynamic.onnx"
    monkeypatch.setenv(WEIGHTS_SETTING, str(weights))
    assert detector().name == "yunet"
    monkeypatch.delenv(WEIGHTS_SETTING)
    assert detector().name == "dlib"
    bare_machine.mkdir(parents=True)
    (bare_machine / yunet.FILE).write_bytes(weights.read_bytes())
    detectors._make.cache_clear()
    assert detector().name == "yunet"


@pytest.mark.parametrize("name", ["missing.onnx", "broken.onnx", "missing.pth", "broken.pth"])
def test_unusable_named_weights_leave_dlib_and_a_line_in_the_log(name, tmp_path, monkeypatch, caplog):
    (tmp_path / "broken.onnx").write_bytes(b"not a network")
    (tmp_path / "broken.pth").write_bytes(b"not a network")
    monkeypatch.setenv(WEIGHTS_SETTING, str(tmp_path / name))
    assert detector().name == "dlib"
    assert len(caplog.records) == 1 and WEIGHTS_SETTING in caplog.text and str(tmp_path) not in caplog.text


def test_a_broken_cached_file_leaves_dlib(bare_machine, caplog):
    bare_machine.mkdir(parents=True)
    (bare_machine / yunet.FILE).write_bytes(b"not a network")
    assert detector().name == "dlib" and "YuNet" in caplog.text


def test_nothing_is_fetched_unless_allowed_and_then_once(monkeypatch):
    asked = []
    monkeypatch.setattr(yunet, "fetch", lambda target: asked.append(target))
    detector()
    assert asked == []
    monkeypatch.setenv(DOWNLOAD_SETTING, "1")
    assert detector().name == "dlib" and detector().name == "dlib"
    assert len(asked) == 1


def test_s3fd_boxes_are_scaled_back(tmp_path, monkeypatch):
    """Weights that fire everywhere at the coarsest level and nowhere else: boxes of 512 pixels at the centres 64 + 128 n of the enlarged copy."""
    import torch
    from face_alignment.detection.sfd.net_s3fd import s3fd

    state = {key: torch.zeros_like(value) for key, value in s3fd().state_dict().items()}
    for key, value in state.items():
        if key.endswith("mbox_conf.bias"):
            value[-1] = 9.0 if key.startswith("conv7_2") else -9.0
    torch.save(state, tmp_path / "weights.pth")
    monkeypatch.setenv(WEIGHTS_SETTING, str(tmp_path / "weights.pth"))
    chosen = detector()
    found = chosen.find(np.zeros((100, 100, 3), np.uint8))
    assert chosen.name == "s3fd" and found
    for face in found:
        x0, y0, x1, y1 = face.box
        assert x1 - x0 == pytest.approx(256) and y1 - y0 == pytest.approx(256) and face.score > 0.99
        assert ((x0 + x1) - 64) % 128 == pytest.approx(0, abs=1e-3) and ((y0 + y1) - 64) % 128 == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("name", ["dlib", "yunet"])
def test_threads_do_not_disturb_each_other(name, request, monkeypatch):
    if name == "yunet":
        monkeypatch.setenv(WEIGHTS_SETTING, str(request.getfixturevalue("shared") / "data/weights/yunet_n_dynamic.onnx"))
    head = skimage.data.astronaut()[20:220, 120:320]
    photos = [head, np.ascontiguousarray(head[:150, 20:190]), np.zeros((120, 90, 3), np.uint8), np.ascontiguousarray(head[:, ::-1])]
    chosen = detector()
    alone = [[face.box for face in chosen.find(photo)] for photo in photos]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda photo: [face.box for face in chosen.find(photo)], photos * 2))
    assert together == alone * 2 and sum(map(len, alone)) >= 2


@pytest.mark.parametrize(("name", "face"), [("dlib", 45), ("yunet", 14)])
def test_the_small_faces_of_a_group_are_found_by_a_closer_look(name, face, request, monkeypatch):
    if name == "yunet":
        monkeypatch.setenv(WEIGHTS_SETTING, str(request.getfixturevalue("shared") / "data/weights/yunet_n_dynamic.onnx"))
    head = Image.fromarray(skimage.data.astronaut()[:260, 110:340])  # the face about 100 pixels wide
    head = head.resize((round(2.3 * face), round(2.6 * face)), Image.Resampling.LANCZOS)
    group = Image.new("RGB", (2048, 1536), (90, 110, 130))
    corners = [(x, y) for x in range(100, 2000, 400) for y in range(100, 1500, 400)]
    for corner in corners:
        group.paste(head, corner)
    found = detector().find(np.asarray(group))
    centres = np.array([((x0 + x1) / 2, (y0 + y1) / 2) for x0, y0, x1, y1 in (one.box for one in found)])
    for x, y in corners:
        inside = (centres > (x, y)) & (centres < (x + head.width, y + head.height))
        assert inside.all(axis=1).sum() == 1
    assert len(found) == len(corners)


def test_importing_costs_neither_torch_nor_opencv():
    program = "import sys, poster.face; print([name for name in ('torch', 'cv2', 'dlib', 'face_alignment') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, timeout=240)
    assert done.stdout.strip() == "[]"


def test_stderr_stays_clean(shared):
    """OpenCV's remarks go past Python's logging; a command's stderr is for one sentence."""
    program = "import numpy as np; from poster.face import find_faces, detector_name; print(detector_name(), find_faces(np.zeros((64, 64, 3), np.uint8)))"
    for weights in ("", str(shared / "data/weights/yunet_n_dynamic.onnx")):
        environment = {**os.environ, WEIGHTS_SETTING: weights}
        done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, env=environment, timeout=240)
        assert done.stderr == "" and "()" in done.stdout
