"""A photo leaves the disk as soon as it is read, and Gradio never opens it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from poster.photo import MAX_BYTES, read_photo
from space.uploads import Held, example, photo_input, take


def test_taken_once_and_gone(tmp_path):
    folder = tmp_path / "0123abcd"
    folder.mkdir()
    (folder / "photo.png").write_bytes(b"pixels")
    assert take(str(folder / "photo.png")) == b"pixels"
    assert list(tmp_path.iterdir()) == []


def test_a_neighbour_in_the_same_folder_stays(tmp_path):
    (tmp_path / "a.png").write_bytes(b"a")
    (tmp_path / "b.png").write_bytes(b"b")
    take(str(tmp_path / "a.png"))
    assert [path.name for path in tmp_path.iterdir()] == ["b.png"]


def test_a_large_file_is_not_read_to_its_end(tmp_path):
    path = tmp_path / "large.png"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1000)
    assert len(take(str(path))) == MAX_BYTES + 1 and not path.exists()


def test_gradio_does_not_open_the_file(tmp_path):
    """A file that would make Pillow raise passes through as a path."""
    path = tmp_path / "hostile.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 10)
    assert photo_input().preprocess(SimpleNamespace(path=str(path))) == str(path)
    assert photo_input().preprocess(None) is None


def test_a_held_photo_does_not_show_in_logs():
    assert "secret" not in repr(Held(b"secret pixels"))


def test_the_example_is_a_photo():
    assert read_photo(example()).shape == (512, 512, 3)


def test_taking_what_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        take(str(tmp_path / "none.png"))
