"""The app as programs see it: three documented functions over HTTP and MCP, and nothing else."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
import warnings
from pathlib import Path

import pytest
import skimage.data
from gradio_client import Client
from gradio_client.exceptions import AppError

from leaderboard.board import load_board
from tests.browser.server import App

PUBLIC = {"classify_photo", "leaderboard", "submission_status"}
ASTRONAUT = base64.b64encode((Path(skimage.data.__file__).parent / "astronaut.png").read_bytes()).decode()


@pytest.fixture(scope="module")
def client(app: App) -> Client:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the client's own, about the versions of its parts
        return Client(app.url, verbose=False)


def test_only_what_is_meant_for_programs_is_offered(client: Client):
    assert {name.strip("/") for name in client.view_api(return_format="dict")["named_endpoints"]} == PUBLIC


@pytest.mark.parametrize("prefix", ["", "data:image/png;base64,"])
def test_classify_a_photo(client: Client, prefix: str):
    said = client.predict(photo=prefix + ASTRONAUT, api_name="/classify_photo")
    assert said["image"] == {"width": 512, "height": 512} and len(said["faces"]) == 1
    probabilities = said["faces"][0]["probabilities"]
    assert next(iter(probabilities)) == "happiness" and sum(probabilities.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"photo": "not base64!"}, "not base64"),
        ({"photo": base64.b64encode(b"text").decode()}, "not a JPEG, PNG or WebP"),
        ({"photo": ""}, "missing"),
        ({"photo": ASTRONAUT, "model": "../../etc/passwd"}, "no model of that name"),
        ({"photo": "A" * 12_000_000}, "larger than 8 MB"),
    ],
)
def test_what_cannot_be_classified_gets_a_sentence(client: Client, given: dict[str, str], sentence: str):
    with pytest.raises(AppError, match=sentence):
        client.predict(**given, api_name="/classify_photo")


def test_nobody_can_have_a_session_written_to_disk(app: App):
    """Gradio writes the values of every component in a session into a file for whoever asks for a link to it; the photo may be among them."""
    body = json.dumps({"data": [ASTRONAUT, "", False], "session_hash": "somebody"}).encode()
    ask = urllib.request.Request(f"{app.url}/gradio_api/call/classify_photo", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(ask, timeout=60) as taken, urllib.request.urlopen(f"{ask.full_url}/{json.load(taken)['event_id']}", timeout=180) as answer:
        assert "happiness" in answer.read().decode()
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{app.url}/gradio_api/deep_link?session_hash=somebody", timeout=60)
    assert list(app.uploads.rglob("state.json")) == []


def test_the_leaderboard(client: Client):
    said = client.predict(benchmark="ferplus", status="disputed", api_name="/leaderboard")
    expected = [row for row in load_board().of("ferplus") if row.status == "disputed"]
    assert [(row["model"], row["accuracy"]) for row in said["rows"]] == [(row.model, row.accuracy) for row in expected]
    with pytest.raises(AppError, match="no such benchmark"):
        client.predict(benchmark="imagenet", status="", api_name="/leaderboard")


def test_the_status_of_a_job_that_does_not_exist(client: Client):
    with pytest.raises(AppError, match="There is no job"):
        client.predict(job="0123456789ab", api_name="/submission_status")


def test_the_same_functions_are_mcp_tools(app: App):
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).encode()
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    with urllib.request.urlopen(urllib.request.Request(f"{app.url}/gradio_api/mcp/", body, headers), timeout=60) as answer:
        text = answer.read().decode()
    said = json.loads(next(line.removeprefix("data: ") for line in text.splitlines() if line.startswith(("data: ", "{"))))
    tools = {tool["name"]: tool for tool in said["result"]["tools"]}
    assert set(tools) == PUBLIC
    assert (
        set(tools["classify_photo"]["inputSchema"]["properties"]) == {"photo", "model", "whole"}
        and "faces in a photo" in tools["classify_photo"]["description"]
    )
