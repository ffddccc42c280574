"""A benchmark is scored under its name only when it is what it claims: counts, contents, doubled pictures."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from eval.availability import survey
from eval.benchmark import BenchmarkError
from eval.catalogue import find
from eval.load import load, without
from poster.data.cache import UnreadableError, decoded
from poster.errors import DataError
from poster.labels import ORDERS
from tests.poster.data import layouts

SMALL = dataclasses.replace(find("raf-db"), counts=(2,) * 7, num_images=None)


def test_a_small_copy_with_its_own_counts_is_loaded(tmp_path):
    loaded = load(SMALL, str(layouts.raf_db(tmp_path)))
    assert len(loaded.images) == 14
    assert loaded.images.labels == ORDERS["raf-db"]
    assert len(loaded.fingerprint) == 64
    assert loaded.warnings == ()


def test_it_is_not_scored_as_the_real_one(tmp_path):
    with pytest.raises(BenchmarkError, match="this is not RAF-DB.*14 images instead of 3,068.*--benchmark folder"):
        load(find("raf-db"), str(layouts.raf_db(tmp_path)))
    assert load(find("folder"), str(tmp_path)).images.layout == "raf-db"


def test_a_swapped_label_file_is_named_by_its_counts(tmp_path):
    layouts.raf_db(tmp_path)
    path = tmp_path / "EmoLabel" / "list_patition_label.txt"
    path.write_text(path.read_text().replace("test_0001.jpg 1", "test_0001.jpg 4"))
    with pytest.raises(BenchmarkError, match="surprise 1 instead of 2, happiness 3 instead of 2"):
        load(SMALL, str(tmp_path))


def test_labels_swapped_with_the_same_counts_change_the_fingerprint(tmp_path):
    known = dataclasses.replace(SMALL, fingerprint=load(SMALL, str(layouts.raf_db(tmp_path))).fingerprint)
    assert load(known, str(tmp_path)).fingerprint == known.fingerprint
    path = tmp_path / "EmoLabel" / "list_patition_label.txt"
    path.write_text(path.read_text().replace("test_0001.jpg 1", "test_0001.jpg 4").replace("test_0007.jpg 4", "test_0007.jpg 1"))
    with pytest.raises(BenchmarkError, match="pictures or labels were altered"):
        load(known, str(tmp_path))


def test_a_doubled_picture_is_named_unless_allowed(tmp_path):
    layouts.raf_db(tmp_path)
    aligned = tmp_path / "Image" / "aligned"
    (aligned / "test_0002_aligned.jpg").write_bytes((aligned / "test_0001_aligned.jpg").read_bytes())
    with pytest.raises(BenchmarkError, match=r"test_0002\.jpg is the same picture as test_0001\.jpg \(1 such"):
        load(SMALL, str(tmp_path))
    assert "Pictures that stand twice: 1" in load(SMALL, str(tmp_path), allow_doubled=True).warnings[0]


@pytest.mark.parametrize("count", [0, 1])
def test_sets_too_small_to_score(tmp_path, count):
    layouts.class_folders(tmp_path, ("anger", "fear"), per_class=0)
    for number in range(2):
        (tmp_path / "test" / ("anger", "fear")[number]).mkdir(parents=True)
    if count:
        layouts.face(tmp_path / "test" / "fear" / "0.png", "fear", 1)
    with pytest.raises((BenchmarkError, DataError), match="at least 2 are needed" if count else "no image"):
        load(find("folder"), str(tmp_path))


def test_the_original_with_one_unreadable_picture(tmp_path):
    """AffectNet-8 is handed out with one damaged image: 3,999 of 4,000 can be read."""
    benchmark = dataclasses.replace(find("affectnet-8"), counts=(2,) * 8, num_images=None)
    layouts.affectnet_npy(tmp_path, [*range(8), *range(8)])
    damaged = tmp_path / "val_set" / "images" / "7.jpg"
    damaged.write_bytes(damaged.read_bytes()[:300])
    images = load(benchmark, str(tmp_path)).images
    with pytest.raises(UnreadableError) as caught:
        decoded(images.source, "x", 32)
    kept = without(images, caught.value.indices, benchmark)
    assert len(kept) == 15
    assert "7.jpg cannot be read" in kept.notes[0]
    assert without(images, [1, 2], benchmark) is None
    damaged.unlink()
    (tmp_path / "val_set" / "annotations" / "7_exp.npy").unlink()
    fewer = load(benchmark, str(tmp_path)).images
    assert len(fewer) == 15
    assert without(fewer, [1], benchmark) is None  # one is gone already: another damaged one makes it a different set


def test_a_set_is_found_under_the_name_its_owners_use(tmp_path):
    layouts.affectnet_npy(tmp_path / "AffectNet", [*range(8), *range(8)])
    for name, count in (("affectnet-8", 16), ("affectnet-7-lower", 14)):
        classes = find(name).labels
        assert len(load(dataclasses.replace(find(name), counts=(2,) * len(classes), num_images=None), str(tmp_path)).images) == count
    assert {row["name"] for row in survey(tmp_path) if row["available"]} >= {"affectnet-7", "affectnet-8-lower"}


def test_other_ways_to_be_absent(tmp_path):
    with pytest.raises(DataError, match="raf-db needs --data DIR"):
        load(find("raf-db"), None)
    with pytest.raises(DataError, match="does not exist"):
        load(find("ferplus"), str(tmp_path / "no"))
    with pytest.raises(DataError, match=r"fer2013\.csv"):
        load(find("ferplus"), str(tmp_path))


def test_the_lower_half_keeps_the_images_and_says_so():
    whole, lower = load(find("sketch"), None), load(find("sketch-lower"), None)
    assert whole.fingerprint == lower.fingerprint
    assert "lower half" in lower.benchmark.title


def test_a_superseded_benchmark_warns(tmp_path):
    old = dataclasses.replace(SMALL, superseded_by="raf-db version 2")
    assert "superseded by raf-db version 2" in load(old, str(layouts.raf_db(tmp_path))).warnings[0]


def test_an_extra_class_of_a_folder(tmp_path):
    layouts.class_folders(tmp_path / "test", ORDERS["caer-s"], split=".")
    layouts.face(tmp_path / "test" / "contempt" / "0.png", "contempt", 77)
    benchmark = dataclasses.replace(find("raf-db"), counts=(2,) * 7, num_images=None)
    with pytest.raises(DataError, match="images of contempt"):
        load(benchmark, str(tmp_path))


def test_grey_and_colour_copies_of_one_picture_are_two_files(tmp_path):
    layouts.class_folders(tmp_path, ("anger", "fear"))
    first = tmp_path / "test" / "anger" / "0.png"
    Image.open(first).convert("L").save(tmp_path / "test" / "anger" / "grey.png")
    assert np.array(load(find("folder"), str(tmp_path)).images.targets).tolist() == [0, 0, 0, 1, 1]
