"""What the Submit page does with a named checkpoint: from the Hub, from a file, from one that is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from leaderboard.config import Config
from leaderboard.names import SubmissionError
from poster.errors import InputError
from poster.labels import ORDERS
from space.submission_view import inspection_html
from space.submit_page import forget, label_choices, look
from tests.leaderboard.conftest import checkpoint
from tests.leaderboard.fakehub import FakeHub


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setattr("time.sleep", lambda _: None)
    return Config(data=tmp_path / "data")


def left(config: Config) -> list[Path]:
    """What lies where checkpoints wait for their form."""
    return [path for path in (config.data / "incoming").rglob("*") if path.is_file()]


def test_a_repository_of_the_hub_is_pinned_fetched_and_recognised(config, tmp_path):
    path = checkpoint(tmp_path / "m.safetensors", ORDERS["raf-db"], with_contract=False)
    with FakeHub() as hub:
        repo = hub.repo("model", "org/net", {"m.safetensors": path.read_bytes(), "README.md": b"# net"})
        seen = look(replace(config, endpoint=hub.url), None, " org/net ", "", "")
        assert all("authorization" not in {name.lower() for name in headers} for *_, headers in hub.requests)
    assert seen.source == f"hub org/net@{repo.commits[0][0]}/m.safetensors" and seen.path.read_bytes() == path.read_bytes()
    said = inspection_html(seen.found, seen.source)
    assert "posterpp_nano" in said and seen.source in said and "please check" in said
    assert "raf-db" in [name for _, name in label_choices(seen.found)]
    forget(seen)
    assert left(config) == []


@pytest.mark.parametrize(
    ("repo", "sentence"),
    [("", "Name a checkpoint"), ("https://huggingface.co/org/net", "not accepted"), ("../x", "not accepted")],
)
def test_a_repository_that_is_none_gets_a_sentence_and_leaves_nothing(config, repo, sentence):
    with FakeHub() as hub, pytest.raises(InputError, match=sentence):
        look(replace(config, endpoint=hub.url), None, repo, "main", "")
    assert left(config) == []


def test_a_file_is_taken_on_ones_own_machine_and_refused_on_a_space(config, tmp_path):
    upload = tmp_path / "upload"
    upload.mkdir()
    path = checkpoint(upload / "mine.safetensors")
    with pytest.raises(SubmissionError, match="Files are not taken here"):
        look(config, str(path), "", "", "", files=False)
    assert not upload.exists() and left(config) == []
    upload.mkdir()
    seen = look(config, str(checkpoint(path)), "", "", "")
    assert seen.source == "file mine.safetensors" and not upload.exists() and left(config) == [seen.path]
