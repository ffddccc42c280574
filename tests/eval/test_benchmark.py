"""The catalogue: published counts, defaults, typing errors caught at import."""

import dataclasses

import pytest

from eval.availability import survey
from eval.benchmark import Benchmark, BenchmarkError
from eval.catalogue import CATALOGUE, find
from poster.errors import DataError
from tests.poster.data import layouts

COUNTS = {
    "raf-db/test": 3068, "ferplus/majority": 3153, "ferplus/majority-7": 3137, "ferplus/argmax": 3546, "ferplus/argmax-7": 3519,
    "ferplus/soft": 3573, "affectnet-7/validation": 3500, "affectnet-8/validation": 4000, "caer-s/test": 20987,
}  # fmt: skip


def test_published_numbers_of_images():
    assert {benchmark.id: benchmark.num_images for benchmark in CATALOGUE if benchmark.id in COUNTS} == COUNTS


def test_counts_by_class():
    majority = find("ferplus", "majority")
    assert dict(zip(majority.labels, majority.counts, strict=True)) == {
        "neutral": 1090, "happiness": 893, "surprise": 396, "sadness": 384, "anger": 273, "disgust": 18, "fear": 83, "contempt": 16,
    }  # fmt: skip
    raf = find("raf-db")
    assert dict(zip(raf.labels, raf.counts, strict=True))["happiness"] == 1185


def test_every_name_and_protocol_stands_once():
    ids = [benchmark.id for benchmark in CATALOGUE]
    assert len(set(ids)) == len(ids)
    for name in {benchmark.name for benchmark in CATALOGUE if not benchmark.name.endswith("-lower")} - {"aihub-korean"}:
        assert find(f"{name}-lower").region == "lower"
        assert find(name).region == "whole"


def test_the_default_protocol_is_the_first():
    assert find("ferplus").protocol == "majority"
    assert find("ferplus", "soft").main_score == "soft_cross_entropy"


@pytest.mark.parametrize(("name", "protocol", "sentence"), [("raf", None, "there is no benchmark 'raf'"), ("ferplus", "best", "has no protocol 'best'")])
def test_an_unknown_name_says_what_exists(name, protocol, sentence):
    with pytest.raises(BenchmarkError, match=sentence):
        find(name, protocol)


@pytest.mark.parametrize(
    "changes",
    [{"labels": ("happy",)}, {"counts": (1, 2)}, {"num_images": 5}, {"region": "upper"}, {"layouts": ()}],
)
def test_a_wrong_entry_fails_at_import(changes):
    with pytest.raises(ValueError, match="raf-db"):
        dataclasses.replace(find("raf-db"), **changes)


def test_what_is_here(tmp_path):
    layouts.raf_db(tmp_path / "RAF-DB" / "basic")
    layouts.class_folders(tmp_path / "caer-s", ("Angry", "Happy"))
    rows = {row["name"]: row for row in survey(tmp_path)}
    assert rows["raf-db"]["found"] == str(tmp_path / "RAF-DB") or rows["raf-db"]["found"] == str(tmp_path / "RAF-DB" / "basic")
    assert rows["caer-s"]["available"]
    assert rows["sketch"]["available"]
    assert not rows["affectnet-7"]["available"]
    assert "mohammadmahoor" in rows["affectnet-7"]["obtain"]
    assert len(rows["ferplus"]["protocols"]) == 10
    with pytest.raises(DataError, match="does not exist"):
        survey(tmp_path / "nowhere")
    assert not {row["name"] for row in survey(None) if row["available"]} - {"sketch", "sketch-lower"}


def test_an_entry_is_frozen():
    assert isinstance(find("sketch"), Benchmark)
    with pytest.raises(dataclasses.FrozenInstanceError):
        find("sketch").name = "other"
