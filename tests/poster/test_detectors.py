"""Which detector runs, where its weights come from, and that a bad download or a bad setting leaves one that works."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image, ImageFilter

from poster import detectors
from poster.detectors import DLIB_DOUBTFUL, DLIB_SCORE, DOWNLOAD_BYTES, DOWNLOAD_SETTING, WEIGHTS_SETTING, YUNET_FILE, detector, overlap

ROOT = Path(__file__).resolve().parents[2]
CONTENT = b"weights" * 5000


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch, tmp_path) -> Iterator[Path]:
    """No cached weights; gives the cache folder."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    detectors._make.cache_clear()
    yield tmp_path / "torch/hub/checkpoints"
    detectors._make.cache_clear()


class _Server(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        parts = {"/good": [CONTENT], "/large": [bytes(2**18)] * (DOWNLOAD_BYTES // 2**18 + 1), "/slow": [b"x"] * 40}.get(self.path)
        self.send_response(200 if parts else 404)
        self.send_header("Content-Length", str(sum(map(len, parts or []))))
        self.end_headers()
        for part in parts or []:
            try:
                self.wfile.write(part)
            except OSError:  # the client gave up, which is the point
                return
            if self.path == "/slow":
                time.sleep(0.1)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Server) as running:
        running.daemon_threads = True
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


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
    (bare_machine / YUNET_FILE).write_bytes(weights.read_bytes())
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
    (bare_machine / YUNET_FILE).write_bytes(b"not a network")
    assert detector().name == "dlib" and "YuNet" in caplog.text


def test_nothing_is_fetched_unless_allowed_and_then_once(monkeypatch):
    asked = []
    monkeypatch.setattr(detectors, "_fetch", lambda target: asked.append(target))
    detector()
    assert asked == []
    monkeypatch.setenv(DOWNLOAD_SETTING, "1")
    assert detector().name == "dlib" and detector().name == "dlib"
    assert len(asked) == 1


def test_a_good_download_is_verified_and_whole(server, tmp_path):
    target = tmp_path / "new/folder/file.onnx"
    assert detectors._fetch(target, server + "/good", hashlib.sha256(CONTENT).hexdigest())
    assert target.read_bytes() == CONTENT and [path.name for path in target.parent.iterdir()] == ["file.onnx"]


@pytest.mark.parametrize("page", ["good", "absent", "large", "slow"])
def test_a_bad_download_leaves_nothing(page, server, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(detectors, "DOWNLOAD_SECONDS", 0.5)
    start = time.monotonic()
    assert not detectors._fetch(tmp_path / "file.onnx", f"{server}/{page}")  # "good" has the wrong checksum
    assert time.monotonic() - start < 3 and list(tmp_path.iterdir()) == []
    assert "cannot be fetched" in caplog.text


def test_the_published_address_is_the_one_face_alignment_names():
    from face_alignment.detection.yunet.yunet_detector import model_url

    assert model_url.startswith("https://") and model_url.endswith(YUNET_FILE)


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


@pytest.mark.parametrize(("face", "looks"), [(200, 1), (100, 2)])
def test_dlib_looks_at_a_close_up_once_and_coarsely(face, looks, monkeypatch):
    """One face in the middle of a photo of 512 x 512, 260 or 130 pixels tall. A third of the side is enough, and nothing finer is looked at."""
    seen: list[int] = []
    resized = detectors._resized
    monkeypatch.setattr(detectors, "_resized", lambda photo, pixels, enlarge: seen.append(round(pixels)) or resized(photo, pixels, enlarge))
    head = Image.fromarray(skimage.data.astronaut()[:260, 110:340])  # the face about 100 pixels wide
    head = head.resize((round(2.3 * face), round(2.6 * face)), Image.Resampling.LANCZOS)
    photo = Image.new("RGB", (512, 512), (90, 110, 130))
    corner = (512 - head.width) // 2, (512 - head.height) // 2
    photo.paste(head, corner)
    found = detector().find(np.asarray(photo))
    assert seen == [262_144, 1_048_576][:looks] and len(found) == 1
    x0, y0, x1, y1 = found[0].box
    assert ((x0 + x1) / 2, (y0 + y1) / 2) == pytest.approx((corner[0] + 1.14 * face, corner[1] + 1.2 * face), abs=0.12 * face)
    assert x1 - x0 == pytest.approx(0.95 * face, rel=0.2)


def test_beside_a_close_up_dlib_finds_a_face_half_as_large():
    head = Image.fromarray(skimage.data.astronaut()[:260, 110:340])
    photo = Image.new("RGB", (800, 600), (90, 110, 130))
    for face, corner in ((210, (0, 30)), (105, (500, 200))):
        photo.paste(head.resize((round(2.3 * face), round(2.6 * face)), Image.Resampling.LANCZOS), corner)
    widths = sorted(one.box[2] - one.box[0] for one in detector().find(np.asarray(photo)))
    assert widths == pytest.approx([100, 200], rel=0.2)


@pytest.mark.parametrize(("turned", "blur"), [(-5, 3.2), (0, 3.8), (0, 3.6)])  # doubtful in the fine look, in the coarse one, in both
def test_a_doubtful_face_counts_where_no_other_is_found(turned, blur):
    """A blurred head alone is found once; beside a sharp one it is not."""
    sharp = Image.fromarray(skimage.data.astronaut()[:260, 110:340])
    photo = Image.new("RGB", (400, 400), (90, 110, 130))  # the face is no close-up in it
    photo.paste(sharp.rotate(turned, Image.Resampling.BICUBIC, fillcolor=(90, 110, 130)), (85, 70))
    photo = photo.filter(ImageFilter.GaussianBlur(blur))
    (alone,) = detector().find(np.asarray(photo))
    assert DLIB_DOUBTFUL <= alone.score < DLIB_SCORE
    x0, y0, x1, y1 = detector().find(np.asarray(sharp))[0].box
    assert overlap(alone.box, (x0 + 85, y0 + 70, x1 + 85, y1 + 70)) > 0.5
    pair = Image.new("RGB", (800, 400), (90, 110, 130))
    pair.paste(photo, (0, 0))
    pair.paste(sharp, (485, 70))
    (one,) = detector().find(np.asarray(pair))
    assert one.score >= DLIB_SCORE and one.box[0] > 400


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
    wanted = detectors._dlib_pixels(photo[0] * photo[1])
    assert wanted == pytest.approx(copy[0] * copy[1], rel=2e-3)


def test_overlap_of_boxes():
    one = (0.0, 0.0, 10.0, 10.0)
    assert overlap(one, (5.0, 0.0, 15.0, 10.0)) == pytest.approx(1 / 3)
    assert overlap(one, one) == 1 and overlap(one, (20.0, 20.0, 30.0, 30.0)) == overlap(one, (0.0, 20.0, 10.0, 30.0)) == 0


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
