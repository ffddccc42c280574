"""Requests for uploads that are gone."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from space.gone import GoneUploads

FILE = "/gradio_api/file="


@pytest.fixture
def uploads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    (tmp_path / "uploads" / "hash").mkdir(parents=True)
    return tmp_path / "uploads"


def client(answer: type[Response] | None = None) -> TestClient:
    """An app that answers "forbidden" as Gradio does; or the file, removed between its being found and its being sent."""

    def inner(request: Request) -> Response:
        if answer is None:
            return PlainTextResponse("File not allowed", 403)
        path = Path(request.path_params["path"])
        response = answer(path)
        path.unlink()
        return response

    return TestClient(Starlette(routes=[Route(FILE + "{path:path}", inner)], middleware=[Middleware(GoneUploads)]))


def test_an_upload_that_is_gone_is_an_empty_answer(uploads: Path):
    answer = client().get(f"{FILE}{uploads}/hash/photo.png")
    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "/etc/no-such-file", "{uploads}/../secret", "{uploads}", "{uploads}x/photo.png", "a%00b", "relative.png", "/" + 5000 * "a"]
)
def test_everything_else_is_the_apps_to_answer(uploads: Path, name: str):
    assert client().get(FILE + name.format(uploads=uploads)).status_code == 403


def test_an_upload_that_is_there_is_the_apps_to_answer(uploads: Path):
    (uploads / "hash" / "photo.png").write_bytes(b"x")
    assert client().get(f"{FILE}{uploads}/hash/photo.png").status_code == 403


def test_an_upload_removed_while_it_is_answered_is_an_empty_answer(uploads: Path):
    (uploads / "hash" / "photo.png").write_bytes(b"x")
    answer = client(FileResponse).get(f"{FILE}{uploads}/hash/photo.png")
    assert answer.status_code == 204
