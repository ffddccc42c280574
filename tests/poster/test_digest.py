"""A file's sha256 is the one everybody computes, and a file that cannot be read is named."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from poster.digest import file_sha256
from poster.errors import InputError


def test_it_is_the_sha256_of_the_whole_file(tmp_path: Path) -> None:
    content = bytes(range(256)) * 20_000
    (tmp_path / "weights").write_bytes(content)
    assert file_sha256(tmp_path / "weights") == hashlib.sha256(content).hexdigest()


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the weights file .*gone.pth cannot be read \(No such file or directory\); give the path of a checkpoint"):
        file_sha256(tmp_path / "gone.pth")
