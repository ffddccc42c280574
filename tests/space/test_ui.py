"""The app as a whole, as Gradio is given it: what is unsafe as shipped is set, on one's own machine and on a Space."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from leaderboard.config import Config
from space.settings import QUEUE_LOOK, UPLOAD_AGE, UPLOAD_CHECK, Settings, launch_options, queue_options
from space.theme import looks
from space.ui import PAGES

ROOT = Path(__file__).parents[2]
SPACE = {"SYSTEM": "spaces", "SPACE_ID": "org/space", "OPENID_PROVIDER_URL": "https://huggingface.co"}
SPACE |= {f"OAUTH_{name}": "x" for name in ("CLIENT_ID", "CLIENT_SECRET", "SCOPES")}


@pytest.fixture(scope="module", params=[{}, SPACE], ids=["own machine", "Space"])
def app(request: pytest.FixtureRequest) -> tuple[dict[str, Any], bool]:
    """What tests/space/described_app.py prints, and whether it ran as on a Space."""
    known = {name: value for name, value in os.environ.items() if not name.startswith(("FER_", "SPACE_", "OAUTH_", "SYSTEM"))}
    command = [sys.executable, "-m", "tests.space.described_app"]
    done = subprocess.run(command, cwd=ROOT, env={**known, **request.param}, capture_output=True, text=True, timeout=240, check=True)
    return json.loads(done.stdout.splitlines()[-1]), bool(request.param)


def test_the_release_of_gradio_is_one_whose_sign_in_works():
    found = importlib.metadata.version("gradio")
    assert (6, 26) <= tuple(map(int, found.split(".")[:2])) < (7, 0)
    assert f"gradio=={found}\n" in (ROOT / "requirements.txt").read_text() and f"sdk_version: {found}\n" in (ROOT / "README.md").read_text()


def test_what_the_app_is_built_with(app):
    found, on_space = app
    assert tuple(found["delete_cache"]) == (UPLOAD_CHECK, UPLOAD_AGE) == (60, 600), "uploads are looked for every minute and removed after ten"
    assert found["analytics"] is False and found["queue_look"] == QUEUE_LOOK
    assert found["sign_in"] == int(on_space), "sign-in exists on a Space only"
    assert found["offered"] == ["classify_photo", "leaderboard", "submission_status"] and found["visibilities"] == ["private", "public"]
    assert {path for _, path in PAGES} | {"model", "status"} == set(found["pages"])
    assert found["images"] and all(one == ["filepath", None] for one in found["images"]), "Gradio never opens a photo"


def test_a_template_holds_no_place_for_foreign_text(app):
    """The table's text reaches it as JSON and is set as text; the other pages have Gradio's own place for HTML that was escaped."""
    templates = set(app[0]["templates"]) - {"${value}"}
    assert templates and all("${" not in one and "{{" not in one for one in templates)


def test_looks_are_given_where_gradio_six_takes_them():
    head = looks()["head"]
    assert set(looks()) == {"theme", "head"} and "https://" not in head and "@import" not in head and "url(" not in head
    assert launch_options(Settings(), Config())["footer_links"] == ["api"] and queue_options()["max_size"] < 100
