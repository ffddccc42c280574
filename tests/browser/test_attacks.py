"""Hostile requests to the running app: refused or answered with a sentence, the server unharmed."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import secrets
import struct
import threading
import time
import urllib.error
import urllib.request
import zlib
from pathlib import Path
from typing import Any

import pytest

from space.settings import QUEUE_PLACES
from tests.browser.server import App
from tests.browser.test_api import ASTRONAUT
from tests.sources import ROOT

FILE = {"meta": {"_type": "gradio.FileData"}}


def fetch(url: str, body: object = None) -> tuple[int, str]:
    """Status and text; an error's too."""
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, {"Content-Type": "application/json"} if data else {}), timeout=120) as answer:
            return answer.status, answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")


def raw(app: App, path: str) -> tuple[int, bytes]:
    """A GET whose path no library tidies up."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", int(app.url.rsplit(":", 1)[1]), timeout=60)) as connection:
        connection.putrequest("GET", path, skip_accept_encoding=True)
        connection.endheaders()
        with connection.getresponse() as answer:
            return answer.status, answer.read()


def endpoint(app: App, label: str, event: str) -> int:
    """The number of the handler that listens to an event of the component with this label."""
    config = json.loads(fetch(f"{app.url}/config")[1])
    ids = [one["id"] for one in config["components"] if one["props"].get("label") == label or one["props"].get("value") == label]
    return next(one["id"] for one in config["dependencies"] if any(target[0] in ids and target[1] == event for target in one["targets"]))


def call(app: App, number: int, data: list[Any]) -> dict[str, Any]:
    """Call a handler as the page does, its answer as the page gets it."""
    session = secrets.token_hex(5)
    status, text = fetch(f"{app.url}/gradio_api/queue/join", {"data": data, "fn_index": number, "session_hash": session})
    if status != 200:
        return {"success": False, "status": status, "output": text}
    with urllib.request.urlopen(f"{app.url}/gradio_api/queue/data?session_hash={session}", timeout=180) as stream:
        for line in stream:
            message = json.loads(line[6:]) if line.startswith(b"data: ") else {}
            if message.get("msg") in ("process_completed", "unexpected_error"):
                return message
    raise AssertionError("the stream ended without an answer")


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file=../../../../etc/passwd",
        "/gradio_api/file=%2e%2e/%2e%2e/etc/passwd",
        f"/gradio_api/file={ROOT}/app.py",
        "/gradio_api/file=app.py",
        "/gradio_api/file=http://127.0.0.1:9/",
        "/gradio_api/file=file:///etc/passwd",
        "/static/../../../../../etc/passwd",
        "/assets/..%2f..%2f..%2fetc/passwd",
        "/theme.css/../../../etc/passwd",
        "/..%2f..%2fapp.py",
    ],
)
def test_files_of_the_server_stay_there(app: App, path: str):
    status, body = raw(app, path)
    assert status in (400, 403, 404, 422), (status, body[:200])
    assert b"root:" not in body and b"prepare_environment" not in body


@pytest.mark.parametrize("path", ["/etc/passwd", str(ROOT / "app.py"), "http://127.0.0.1:9/x.png", "../../etc/passwd", "\0"])
def test_a_payload_that_names_a_file_of_the_server(app: App, path: str):
    said = call(app, endpoint(app, "Your photo", "input"), [{"path": path, **FILE}, "posterpp_nano", "", "features", "", ""])
    assert said["success"] is False
    assert "root:" not in json.dumps(said) and "Traceback" not in json.dumps(said)
    assert Path("/etc/passwd").exists() and (ROOT / "app.py").exists()  # an upload is removed once it is read; these are none


@pytest.mark.parametrize("data", [[], [None] * 6, [{"a": 1}, 2, 3, 4, 5, 6], ["x" * 100_000] * 6])
def test_a_malformed_call_says_nothing_of_the_inside(app: App, data: list[Any]):
    text = json.dumps(call(app, endpoint(app, "Your photo", "input"), data))
    assert "Traceback" not in text and str(ROOT) not in text and "site-packages" not in text


def test_a_direct_call_cannot_name_the_job_to_cancel(app: App):
    """The handler knows the job from the server's own note of what was opened; a word of the caller is not looked at."""
    said = call(app, endpoint(app, "Cancel", "click"), ["0123456789ab"])
    assert "There is no job ''" in json.dumps(said).replace("&#x27;", "'"), said


@pytest.mark.parametrize("asked", [None, "x", {"name": "../../etc/passwd"}, {"name": "ferplus", "plot": "<script>", "compare": []},
    {"name": "ferplus", "plot": "confusion", "compare": "x"}, {"name": "ferplus", "plot": "confusion", "compare": [{"a": 1}, 7]}])  # fmt: skip
def test_a_direct_call_for_a_figure_gets_a_figure_or_nothing(app: App, asked: Any):
    """The handler that draws looks each word up; what it does not know changes nothing and reaches no file."""
    config = json.loads(fetch(f"{app.url}/config")[1])
    number = next(one["id"] for one in config["dependencies"] if any(target[1] == "chosen" for target in one["targets"]))
    said = call(app, number, [1440, asked])
    text = json.dumps(said)
    assert said["success"] and "root:" not in text and "<script>" not in text and "Traceback" not in text


@pytest.mark.parametrize("path", ["/monitoring", "/monitoring/summary", "/gradio_api/runs", "/docs", "/redoc", "/gradio_api/runs/anything"])
def test_what_gradio_leaves_open_is_closed(app: App, path: str):
    assert fetch(app.url + path)[0] in (403, 404)


def huge_png(side: int) -> bytes:
    """A valid 1-bit PNG of side x side pixels in some kilobytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes((side // 8 + 1) * side), 9)) + chunk(b"IEND", b"")


def resident(app: App) -> int:
    """MiB of memory the server holds."""
    line = next(one for one in Path(f"/proc/{app.process.pid}/status").read_text().splitlines() if one.startswith("VmRSS"))
    return int(line.split()[1]) // 1024


def api(app: App, photo: bytes) -> str:
    """What the public function says of a photo."""
    status, text = fetch(f"{app.url}/gradio_api/call/classify_photo", {"data": [base64.b64encode(photo).decode(), "", False]})
    assert status == 200, text
    with urllib.request.urlopen(f"{app.url}/gradio_api/call/classify_photo/{json.loads(text)['event_id']}", timeout=180) as stream:
        return stream.read().decode()


def test_a_photo_of_169_megapixels_costs_no_memory(app: App):
    bomb = huge_png(13_000)
    assert len(bomb) < 64_000
    api(app, b"warm")
    before, start = resident(app), time.monotonic()
    said = api(app, bomb)
    assert "40 megapixels" in said and resident(app) - before < 20 and time.monotonic() - start < 5


def test_a_photo_of_nine_megabytes_is_told_the_limit(app: App):
    assert "larger than 8 MB" in api(app, b"\x89PNG\r\n\x1a\n" + bytes(9 * 2**20))


def test_a_full_queue_says_busy_and_recovers(app: App):
    """More callers at once than there are places: each is answered or told that the app is busy, then all is as before."""
    codes: list[int] = []
    body = {"data": [ASTRONAUT, "", False]}
    threads = [threading.Thread(target=lambda: codes.append(fetch(f"{app.url}/gradio_api/call/classify_photo", body)[0])) for _ in range(QUEUE_PLACES + 16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(codes) <= {200, 503} and codes.count(200) >= QUEUE_PLACES and 503 in codes
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and fetch(f"{app.url}/gradio_api/call/leaderboard", {"data": ["", ""]})[0] != 200:
        time.sleep(0.5)
    assert "happiness" in api(app, base64.b64decode(ASTRONAUT))
