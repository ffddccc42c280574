"""What a run was made from is kept by sha256, read back whole, and refused where it was tampered with."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from poster.errors import InputError
from poster.training.ancestry import Ancestry


def test_files_are_told_by_their_sha256_and_read_back(tmp_path: Path) -> None:
    files = {name: tmp_path / name for name in ("start", "tutor", "teacher", "made")}
    for name, file in files.items():
        file.write_bytes(name.encode() * 100_000)
    sha256 = {name: hashlib.sha256(name.encode() * 100_000).hexdigest() for name in files}
    begun = Ancestry.of([str(files["start"])], [files["tutor"], files["start"]], files["teacher"], None)
    assert begun == Ancestry((sha256["start"],), (sha256["tutor"], sha256["start"]), sha256["teacher"])
    begun.made(files["made"]).write(tmp_path / "ancestry.json")
    assert Ancestry.read(tmp_path / "ancestry.json") == Ancestry(begun.start, begun.tutor, begun.teacher, "", sha256["made"])


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"start": 1, "tutor": [], "teacher": "", "backbone": "", "weights": ""}'])
def test_what_is_no_ancestry_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "ancestry.json").write_text(text)
    with pytest.raises(InputError, match="does not say what the run was made from"):
        Ancestry.read(tmp_path / "ancestry.json")
