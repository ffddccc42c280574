"""The decoded cache: right pixels, one build, nothing half-built is ever read."""

import multiprocessing
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from poster.data import cache, memo
from poster.data.cache import UnreadableError, decode, decoded
from poster.data.images import ArraySource, FileSource, ImageSet
from poster.data.memo import inventory, remembered_arrays, write_atomically
from poster.errors import DataError

FACES = np.random.default_rng(0).integers(0, 256, (10, 20, 24, 3), dtype=np.uint8)


class Counting(ArraySource):
    """Counts how often a picture is really decoded."""

    reads = 0

    def read(self, index):
        type(self).reads += 1
        return super().read(index)


def test_pixels_are_those_of_pil(tmp_path):
    got = decoded(ArraySource(FACES), "f", 32, directory=tmp_path)
    expected = np.stack([np.asarray(Image.fromarray(face).resize((32, 32), Image.Resampling.BILINEAR)) for face in FACES])
    assert (got == expected).all()
    assert isinstance(got, np.memmap)
    assert not got.flags.writeable


def test_grey_pictures_take_one_channel(tmp_path):
    grey = FACES[..., 0]
    got = decoded(ArraySource(grey), "g", 24, directory=tmp_path)
    assert got.shape == (10, 24, 24)
    assert (got[3] == decode(grey[3], 24)).all()


def test_the_second_call_decodes_nothing(tmp_path):
    Counting.reads = 0
    seen = []
    for _ in range(2):
        decoded(Counting(FACES), "f", 16, directory=tmp_path, progress=lambda done, total: seen.append((done, total)))
    assert Counting.reads == 10
    assert seen == [(10, 10)]
    decoded(Counting(FACES), "f", 16, "nearest", directory=tmp_path)
    decoded(Counting(FACES[::-1]), "f", 16, directory=tmp_path)
    assert Counting.reads == 30


def test_the_lower_half(tmp_path):
    got = decoded(ArraySource(FACES), "f", 16, region="lower", directory=tmp_path)
    assert (got[0] == decode(FACES[0][10:], 16)).all()
    with pytest.raises(ValueError, match="'upper' is not one of"):
        decode(FACES[0], 16, region="upper")


def test_a_file_cut_short_is_built_again(tmp_path):
    first = np.array(decoded(ArraySource(FACES), "f", 16, directory=tmp_path))
    path = next(tmp_path.glob("*.npy"))
    path.write_bytes(path.read_bytes()[:500])
    assert (decoded(ArraySource(FACES), "f", 16, directory=tmp_path) == first).all()


def test_leftovers_of_a_crash_are_removed(tmp_path):
    decoded(ArraySource(FACES), "f", 16, directory=tmp_path)
    path = next(tmp_path.glob("*.npy"))
    path.unlink()
    leftover = tmp_path / f"{path.name}.999.tmp"
    leftover.write_bytes(b"half")
    decoded(ArraySource(FACES), "f", 16, directory=tmp_path)
    assert not leftover.exists()
    assert path.exists()


def test_a_failed_build_leaves_nothing(tmp_path):
    good = tmp_path / "good.png"
    Image.fromarray(FACES[0]).save(good)
    (tmp_path / "bad.png").write_bytes(b"no")
    with pytest.raises(UnreadableError, match=r"bad\.png.*and 1 more") as caught:
        decoded(FileSource((good, tmp_path / "bad.png", tmp_path / "bad.png")), "f", 16, directory=tmp_path / "c")
    assert caught.value.indices == [1, 2]
    assert not [path for path in (tmp_path / "c").iterdir() if path.suffix != ".lock"]


def test_a_full_disk_is_one_sentence(tmp_path, monkeypatch):
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(DataError, match="No space left on device"):
        decoded(ArraySource(FACES), "f", 16, directory=tmp_path)
    assert not list(tmp_path.glob("*.npy*tmp"))


def test_a_cache_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="set FER_CACHE"):
        decoded(ArraySource(FACES), "f", 16, directory=tmp_path / "file" / "c")


def _build(folder: str, barrier, answers) -> None:
    seen = []
    barrier.wait()
    pixels = decoded(ArraySource(FACES), "two", 64, directory=Path(folder), progress=lambda done, total: seen.append(done))
    answers.put((int(pixels.sum()), bool(seen)))


def test_of_two_processes_one_builds(tmp_path):
    context = multiprocessing.get_context("fork")
    barrier, answers = context.Barrier(2), context.Queue()
    children = [context.Process(target=_build, args=(str(tmp_path), barrier, answers)) for _ in range(2)]
    for child in children:
        child.start()
    found = [answers.get(timeout=60) for _ in children]
    for child in children:
        child.join(timeout=60)
    assert sorted(built for _, built in found) == [False, True]
    assert found[0][0] == found[1][0] > 0


def test_the_cache_folder_is_a_setting(monkeypatch, tmp_path):
    monkeypatch.setenv("FER_CACHE", str(tmp_path / "here"))
    assert memo.cache_dir() == tmp_path / "here"
    monkeypatch.delenv("FER_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.cache_dir() == tmp_path / "fer"


def test_the_inventory_is_taken_again_only_after_a_change(tmp_path, monkeypatch):
    paths = []
    for number in range(3):
        paths.append(tmp_path / f"{number}.png")
        Image.fromarray(FACES[number]).save(paths[-1])
    images = ImageSet(("a", "b", "c"), np.array([0, 1, 1]), ("fear", "anger"), FileSource(tuple(paths)), "made")
    first = inventory(images, tmp_path / "c")
    with monkeypatch.context() as patch:
        patch.setattr(FileSource, "digest", lambda *arguments: pytest.fail("hashed again"))
        assert inventory(images, tmp_path / "c") == first
    Image.fromarray(FACES[7]).save(paths[0])
    assert inventory(images, tmp_path / "c").fingerprint != first.fingerprint


def test_arrays_are_remembered_until_a_file_changes(tmp_path):
    file = tmp_path / "source"
    file.write_text("1")
    calls = []

    def build():
        calls.append(1)
        return {"a": np.arange(3), "b": np.array(["x", "yz"])}

    for _ in range(2):
        got = remembered_arrays([file], build, tmp_path / "c")
        assert got["a"].tolist() == [0, 1, 2]
        assert got["b"].tolist() == ["x", "yz"]
    assert len(calls) == 1
    next((tmp_path / "c").glob("*.a.npy")).write_bytes(b"cut")
    remembered_arrays([file], build, tmp_path / "c")
    file.write_text("2")
    remembered_arrays([file], build, tmp_path / "c")
    assert len(calls) == 3


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "x"
    write_atomically(path, b"old")
    monkeypatch.setattr(os, "fsync", lambda file: (_ for _ in ()).throw(OSError(5, "Input/output error")))
    with pytest.raises(OSError, match="Input/output"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [item.name for item in tmp_path.iterdir()] == ["x"]
