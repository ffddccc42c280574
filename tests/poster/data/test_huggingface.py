"""Hugging Face data sets from a folder: saved tables and plain image folders; what is wrong gets a sentence."""

import warnings

import datasets
import numpy as np
import pytest
from PIL import Image

from poster.data import huggingface
from poster.data.images import take_inventory
from poster.data.memo import inventory
from poster.data.sketch import draw_face
from poster.errors import DataError
from poster.labels import EXPRESSIONS
from tests.poster.data import layouts


def table(names=("happy", "sad"), column: str = "image") -> datasets.Dataset:
    pictures = [Image.fromarray(draw_face(EXPRESSIONS[1 + n % 2], np.random.default_rng(n))) for n in range(4)]
    features = datasets.Features({column: datasets.Image(), "label": datasets.ClassLabel(names=list(names))})
    return datasets.Dataset.from_dict({column: pictures, "label": [0, 1, 0, 1]}, features=features)


@pytest.fixture(autouse=True)
def quiet(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")
    datasets.disable_progress_bars()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield


def test_a_saved_data_set(tmp_path):
    datasets.DatasetDict({"test": table(), "train": table()}).save_to_disk(tmp_path / "set")
    images = huggingface.read(str(tmp_path / "set"))
    assert (images.labels, images.targets.tolist(), images.layout) == (("happiness", "sadness"), [0, 1, 0, 1], "huggingface")
    assert (images.source.read(2) == draw_face("happiness", np.random.default_rng(2))).all()
    assert images.source.digest(0) != images.source.digest(2)
    assert images.take([1]).keys == ("row 1",)
    ordered = huggingface.read(str(tmp_path / "set"), labels=("neutral", "sadness", "happiness"))
    assert ordered.targets.tolist() == [2, 1, 2, 1]


def test_a_plain_folder_of_pictures(tmp_path):
    layouts.class_folders(tmp_path / "set", ("happiness", "sadness"))
    images = huggingface.read(str(tmp_path / "set"))
    assert images.counts() == {"happiness": 2, "sadness": 2}


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (lambda: table(("happy", "bored")), "'bored' is no expression"),
        (lambda: table(("happy", "happiness")), "mean one expression"),
        (lambda: table().remove_columns("label"), "0 ClassLabel columns"),
        (lambda: table().add_column("other", [1, 2, 3, 4]).cast_column("other", datasets.ClassLabel(num_classes=5)), "2 ClassLabel columns"),
    ],
)
def test_columns_that_do_not_fit(tmp_path, made, sentence):
    datasets.DatasetDict({"test": made()}).save_to_disk(tmp_path / "set")
    with pytest.raises(DataError, match=sentence):
        huggingface.read(str(tmp_path / "set"))


def test_pictures_changed_behind_the_library_are_noticed(tmp_path):
    """The table's own fingerprint stays the same when its file is replaced; what was remembered of it must not."""
    others = datasets.Dataset.from_dict({"image": table()["image"][::-1], "label": table()["label"][:]}, features=table().features)
    for name, pictures in (("a", table()), ("b", others)):
        pictures.save_to_disk(tmp_path / name)
    before = inventory(huggingface.read(str(tmp_path / "a")), tmp_path / "cache").fingerprint
    one, other = (next((tmp_path / name).glob("*.arrow")) for name in ("a", "b"))
    one.write_bytes(other.read_bytes())
    images = huggingface.read(str(tmp_path / "a"))
    assert inventory(images, tmp_path / "cache").fingerprint == take_inventory(images).fingerprint != before


def test_what_the_library_refuses_in_its_own_words_is_one_sentence(tmp_path, monkeypatch):
    """A loading script (never run), and a repository without a network: neither error is an OSError."""
    (tmp_path / "set").mkdir()
    marker = tmp_path / "marker"
    (tmp_path / "set" / "set.py").write_text(f"open({str(marker)!r}, 'w')")
    with pytest.raises(DataError, match=r"cannot be read \(Dataset scripts are no longer supported"):
        huggingface.read(str(tmp_path / "set"))
    assert not marker.exists()
    with pytest.raises(DataError, match=r"the data set org/name cannot be read \(.*check its name, its files and the network"):
        huggingface.read("org/name")


def test_a_missing_part(tmp_path):
    datasets.DatasetDict({"train": table()}).save_to_disk(tmp_path / "set")
    with pytest.raises(DataError, match="has the parts train, but none of test"):
        huggingface.read(str(tmp_path / "set"))


@pytest.mark.parametrize("place", ["../x", "https://example.org/x", "org/name@main", "org", "a/b/c", "ｏrg/name", "org/na me"])
def test_a_name_that_is_no_repository(place):
    with pytest.raises(DataError, match="neither a folder nor a repository id"):
        huggingface.read(place)
