"""Fetching from a fake Hub over real HTTP: hostile names, private repositories, size before download, the pinned commit, faults."""

import logging
import re
from dataclasses import replace

import pytest

from leaderboard.config import Config
from leaderboard.fetch import HubFile, HubUnavailable, check_filename, check_repo, check_revision, download, resolve, sha256_of
from leaderboard.names import SubmissionError
from tests.leaderboard.fakehub import FakeHub, Fault

WEIGHTS = b"weights" * 1000


@pytest.fixture
def hub(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret_of_the_owner")
    monkeypatch.setattr("time.sleep", lambda _: None)
    with FakeHub() as running:
        yield running
        assert not any("authorization" in headers or "hf_secret" in str(headers) for _, _, headers in running.requests)


@pytest.fixture
def config(hub, tmp_path):
    return Config(data=tmp_path, endpoint=hub.url)


@pytest.mark.parametrize(
    "repo",
    [
        "https://huggingface.co/org/name", "org", "org/name/more", "../name", "org/..", "org/name@main", "org/na me", "ørg/name", "org/ｎame", "org/name\n",
        "/etc/passwd",
        "org/name.git", "org/a--b", "", "org/", "file:///x/y", "org/name?x=1", "org/name#x", "-org/name", "org/" + "a" * 200, "org/%2e%2e", None,
    ],
)  # fmt: skip
def test_a_repository_that_is_no_id_is_refused_before_any_request(repo, config, hub):
    with pytest.raises(SubmissionError, match="ORGANISATION/NAME"):
        resolve(config, repo)
    assert hub.requests == []


def test_honest_names_pass():
    assert check_repo("Talented-Q/POSTER_V2") and check_revision("refs/pr/1") and check_revision("v1.0") and check_filename("a/b c/epoch1_acc=0.9.pth")


@pytest.mark.parametrize("revision", ["", "../main", "a..b", "a//b", "main/", "a b", "-x", "a@{1}", "x" * 101, "ü", "main\n"])
def test_hostile_revisions_are_refused(revision):
    with pytest.raises(SubmissionError, match="revision"):
        check_revision(revision)


@pytest.mark.parametrize("name", ["../x.pth", "/x.pth", "a/../x.pth", "x.py", "x", ".hidden.pth", "a//x.pth", "x.pth\n", "a" * 300 + ".pth", "x\\y.pth"])
def test_hostile_file_names_are_refused(name):
    with pytest.raises(SubmissionError):
        check_filename(name)


def test_the_pinned_commit_is_fetched_though_the_branch_moved(config, hub, tmp_path):
    repo = hub.repo("model", "org/net", {"model.pth": WEIGHTS, "README.md": b"#"})
    file = resolve(config, "org/net")
    assert file == HubFile("org/net", repo.commits[0][0], "model.pth", len(WEIGHTS), file.sha256) and re.fullmatch("[0-9a-f]{64}", file.sha256)
    repo.commit({"model.pth": b"something else"})
    path = download(config, file, tmp_path / "in")
    assert path.read_bytes() == WEIGHTS and sha256_of(path) == file.sha256
    assert HubFile.parse(str(file)) == replace(file, size=0, sha256="")


def test_a_private_repository_looks_like_none_though_the_program_has_a_token(config, hub):
    hub.repo("model", "org/private", {"model.pth": WEIGHTS}, private=True)
    with pytest.raises(SubmissionError, match="no public model repository org/private"):
        resolve(config, "org/private")


def test_what_the_submitter_can_mend_is_said(config, hub):
    hub.repo("model", "org/gated", {"model.pth": WEIGHTS}, gated=True)
    hub.repo("model", "org/two", {"a.pth": WEIGHTS, "b.safetensors": WEIGHTS})
    hub.repo("model", "org/none", {"README.md": b"#"})
    hub.repo("model", "org/empty", {"a.pth": b""})
    for arguments, sentence in {
        ("org/gated",): "accept terms",
        ("org/two",): r"2 checkpoints \(a.pth, b.safetensors\); name the file",
        ("org/none",): "no checkpoint",
        ("org/empty",): "is an empty file",
        ("org/two", "other"): "no revision other",
        ("org/two", "main", "c.pth"): "no file c.pth",
        ("org/two", "main", "a.py"): "not a checkpoint by its name",
        ("org/missing",): "no public model repository",
    }.items():
        with pytest.raises(SubmissionError, match=sentence):
            resolve(config, *arguments)
    assert resolve(config, "org/two", "main", "a.pth").filename == "a.pth"


def test_a_file_over_the_limit_is_refused_from_its_metadata(config, hub):
    hub.repo("model", "org/net", {"model.pth": WEIGHTS})
    with pytest.raises(SubmissionError, match="MiB are accepted"):
        resolve(replace(config, max_checkpoint=len(WEIGHTS) - 1), "org/net")
    assert not any("/resolve/" in path for _, path, _ in hub.requests), "nothing was downloaded"


@pytest.mark.parametrize("lie", [b"weights" * 999 + b"weighty", b"short", WEIGHTS * 2])
def test_a_file_that_is_not_the_promised_one_is_refused(config, hub, tmp_path, lie):
    repo = hub.repo("model", "org/net", {"model.pth": WEIGHTS})
    file = resolve(config, "org/net")
    repo.lies["model.pth"] = lie
    with pytest.raises((SubmissionError, HubUnavailable)):
        download(config, file, tmp_path / "in")
    assert not list((tmp_path / "in").glob("*.pth"))


def test_a_file_gone_since_is_the_submitters_affair_and_a_silent_hub_ours(config, hub, tmp_path):
    repo = hub.repo("model", "org/net", {"model.pth": WEIGHTS})
    file = resolve(config, "org/net")
    repo.private = True
    with pytest.raises(SubmissionError, match="no longer public"):
        download(config, file, tmp_path / "in")
    hub.faults += [Fault("GET", "/api/models", 500, 20)]
    with pytest.raises(HubUnavailable, match="did not answer"):
        resolve(config, "org/net")
    with pytest.raises(HubUnavailable):
        resolve(replace(config, endpoint="http://127.0.0.1:9"), "org/net")
    repo.private = False
    hub.faults += [Fault("HEAD", "/resolve/", 500, 100)]
    with pytest.raises(HubUnavailable, match="broke off"):
        download(config, file, tmp_path / "in")


def test_a_connection_cut_once_is_only_a_delay(config, hub, tmp_path):
    hub.repo("model", "org/net", {"model.pth": WEIGHTS})
    hub.faults += [Fault("GET", "/api/models", 503), Fault("GET", "/resolve/", "cut before")]
    assert download(config, resolve(config, "org/net"), tmp_path / "in").read_bytes() == WEIGHTS


def test_the_log_names_the_file_and_no_secret(config, hub, tmp_path, caplog):
    hub.repo("model", "org/net", {"model.pth": WEIGHTS})
    with caplog.at_level(logging.DEBUG):
        download(config, resolve(config, "org/net"), tmp_path / "in")
    assert "org/net" in caplog.text and "hf_secret" not in caplog.text
