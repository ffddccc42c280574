"""YuNet's weights are fetched whole and verified, or not at all."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from poster.detection import yunet

CONTENT = b"weights" * 5000


class _Server(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        parts = {"/good": [CONTENT], "/large": [bytes(2**18)] * (yunet.DOWNLOAD_BYTES // 2**18 + 1), "/slow": [b"x"] * 40}.get(self.path)
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


def test_a_good_download_is_verified_and_whole(server, tmp_path):
    target = tmp_path / "new/folder/file.onnx"
    assert yunet.fetch(target, server + "/good", hashlib.sha256(CONTENT).hexdigest())
    assert target.read_bytes() == CONTENT and [path.name for path in target.parent.iterdir()] == ["file.onnx"]


@pytest.mark.parametrize("page", ["good", "absent", "large", "slow"])
def test_a_bad_download_leaves_nothing(page, server, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(yunet, "DOWNLOAD_SECONDS", 0.5)
    start = time.monotonic()
    assert not yunet.fetch(tmp_path / "file.onnx", f"{server}/{page}")  # "good" has the wrong checksum
    assert time.monotonic() - start < 3 and list(tmp_path.iterdir()) == []
    assert "cannot be fetched" in caplog.text


def test_the_published_address_is_the_one_face_alignment_names():
    from face_alignment.detection.yunet.yunet_detector import model_url

    assert model_url.startswith("https://") and model_url.endswith(yunet.FILE)
