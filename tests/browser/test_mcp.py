"""The MCP tools as an assistant calls them: typed arguments, documented results, answers in JSON, errors as sentences."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest

from leaderboard.board import load_board
from tests.browser.server import App
from tests.browser.test_api import ASTRONAUT

HEADERS = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
TYPES = {
    "classify_photo": {"photo": "string", "model": "string", "whole": "boolean"},
    "leaderboard": {"benchmark": "string", "status": "string"},
    "submission_status": {"job": "string"},
}


def asked(app: App, method: str, **params: Any) -> dict[str, Any]:
    """The result of one call."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{app.url}/gradio_api/mcp/", body, HEADERS), timeout=180) as answer:
        text = answer.read().decode()
    return json.loads(next(line.removeprefix("data: ") for line in text.splitlines() if line.startswith(("data: ", "{"))))["result"]


def called(app: App, tool: str, **arguments: Any) -> Any:
    """What a tool says, read as JSON."""
    result = asked(app, "tools/call", name=tool, arguments=arguments)
    assert not result.get("isError"), result
    (content,) = result["content"]
    return json.loads(content["text"])


def test_every_tool_has_typed_arguments_and_tells_what_it_returns(app: App):
    tools = {tool["name"]: tool for tool in asked(app, "tools/list")["tools"]}
    assert {name: {key: one["type"] for key, one in tool["inputSchema"]["properties"].items()} for name, tool in tools.items()} == TYPES
    assert all(one.get("description") for tool in tools.values() for one in tool["inputSchema"]["properties"].values())
    assert all("Returns: " in tool["description"] for tool in tools.values())


def test_the_tools_answer_in_json(app: App):
    said = called(app, "leaderboard", benchmark="raf-db", status="claimed")
    rows = [row for row in load_board().of("raf-db") if row.status == "claimed"]
    assert [row["model"] for row in said["rows"]] == [row.model for row in rows]
    (face,) = called(app, "classify_photo", photo=ASTRONAUT)["faces"]
    assert next(iter(face["probabilities"])) == "happiness" and face["problems"] == []


@pytest.mark.parametrize(
    ("tool", "given", "sentence"), [("submission_status", {"job": "x"}, "There is no job"), ("classify_photo", {"photo": "?"}, "not base64")]
)
def test_a_tool_that_cannot_answer_says_why(app: App, tool: str, given: dict[str, str], sentence: str):
    result = asked(app, "tools/call", name=tool, arguments=given)
    assert result["isError"] and sentence in result["content"][0]["text"]
