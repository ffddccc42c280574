"""What the child could do if a file did take it over: nothing. And what it never gets to see: a token."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from poster._sandbox import clean_environment, hide_files, leave_network
from poster.reading import ROOT, Reader
from tests.attacks import forge

SECRETS = {"HF_TOKEN": "hf_secret", "AWS_SECRET_ACCESS_KEY": "aws_secret", "FER_DATABASE_URL": "postgres://user:db_secret@host/fer", "PYTHONPATH": "/evil"}

# Runs in a child that has given up what the reader gives up, and tries everything a payload would.
INTRUDER = """
import json, os, socket, sys
sys.path.append(sys.argv[1])
from poster import _sandbox
opened = os.open(sys.argv[2], os.O_RDONLY)
granted = {"network": _sandbox.leave_network(), "files": _sandbox.hide_files([opened])}
_sandbox.limit_resources(1000, _sandbox.Limits())
def attempt(action):
    try:
        action()
    except (OSError, MemoryError) as error:
        return type(error).__name__
    return "done"
print(json.dumps(granted | {
    "read input": attempt(lambda: open(_sandbox.fd_path(opened), "rb").read()),
    "read secret": attempt(lambda: open(sys.argv[3]).read()),
    "read parent": attempt(lambda: open(f"/proc/{os.getppid()}/environ", "rb").read()),
    "write": attempt(lambda: open(sys.argv[4], "w")),
    "delete": attempt(lambda: os.unlink(sys.argv[3])),
    "signal": attempt(lambda: os.kill(os.getppid(), 0)),
    "connect": attempt(lambda: socket.create_connection(("127.0.0.1", int(sys.argv[5])), 2)),
    "run": attempt(lambda: os.execv("/bin/sh", ["sh", "-c", "true"])),
    "memory": attempt(lambda: bytearray(8 << 30)),
}))
"""


@pytest.fixture
def intrusion(tmp_path: Path) -> dict[str, object]:
    import socket

    (tmp_path / "input").write_text("weights")
    (tmp_path / "secret").write_text("hf_secret")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        arguments = [str(ROOT), *(str(tmp_path / name) for name in ("input", "secret", "marker")), str(port)]
        done = subprocess.run([sys.executable, "-I", "-c", INTRUDER, *arguments], capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    found["secret still there"] = (tmp_path / "secret").exists()
    found["marker"] = (tmp_path / "marker").exists()
    return found


def test_memory_is_bounded_everywhere(intrusion: dict[str, object]) -> None:
    assert intrusion["memory"] == "MemoryError"
    assert intrusion["read input"] == "done"


def test_an_intruder_reaches_no_file_and_no_process(intrusion: dict[str, object]) -> None:
    if not intrusion["files"]:
        pytest.skip("this kernel has no Landlock; the resource limits and the clean environment remain")
    reached = {key: intrusion[key] for key in ("read secret", "read parent", "write", "delete", "run")}
    assert set(reached.values()) == {"PermissionError"}, reached
    assert intrusion["secret still there"] and not intrusion["marker"]


def test_an_intruder_reaches_no_network(intrusion: dict[str, object]) -> None:
    if not intrusion["network"] and intrusion["connect"] == "done":
        pytest.skip("this platform grants neither a network namespace nor Landlock's TCP rules")
    assert intrusion["connect"] != "done"


def test_a_platform_without_these_protections_says_so_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "another")
    assert leave_network() is False and hide_files([]) is False


def test_the_child_sees_an_allow_list_and_no_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    path = tmp_path / "good.pth"
    path.write_bytes(forge.torch_zip(forge.mapping({"w": forge.simple()}), {"0": forge.floats(1, 2, 3, 4)}))
    with Reader() as reader:
        reader.read(path)
        assert reader._child is not None
        process = reader._child.process.pid
        seen = Path(f"/proc/{process}/environ").read_bytes()
        command = Path(f"/proc/{process}/cmdline").read_bytes()
        opened = {str(link.readlink()) for link in Path(f"/proc/{process}/fd").iterdir()}
    names = {entry.partition(b"=")[0].decode() for entry in seen.split(b"\0") if entry}
    assert names == set(clean_environment(""))
    assert not any(value.encode() in seen + command for value in SECRETS.values())
    assert not any(link.startswith("/") and link != "/dev/null" for link in opened), "no file of ours is open in the child"


def test_a_careless_child_would_have_seen_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert b"hf_secret" in subprocess.run([sys.executable, "-c", "import os; print(os.environ['HF_TOKEN'])"], capture_output=True, check=True).stdout


def test_no_process_and_no_folder_outlives_the_reader(tmp_path: Path) -> None:
    path = tmp_path / "good.pth"
    path.write_bytes(forge.torch_zip(forge.mapping({"w": forge.simple()}), {"0": forge.floats(1, 2, 3, 4)}))
    with Reader() as reader:
        reader.read(path)
        assert reader._child is not None
        process, folder = reader._child.process, Path(reader._child.folder.name)
        assert folder.is_dir() and process.poll() is None
    assert process.poll() is not None and not folder.exists()
