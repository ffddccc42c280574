"""FERPlus's protocols: the rules on made votes, the counts and fingerprints on the official files where they are."""

import numpy as np
import pytest

from eval import ferplus
from eval.benchmark import BenchmarkError
from eval.catalogue import CATALOGUE, find
from eval.ferplus import labels_of, protocol_set
from eval.load import check_contents, check_counts, load, read
from poster.data.ferplus import FerPlus
from poster.data.images import take_inventory
from poster.errors import DataError
from tests.poster.data import layouts

#        neutral happiness surprise sadness anger disgust fear contempt unknown NF
VOTES = np.array(
    [
        [9, 1, 0, 0, 0, 0, 0, 0, 0, 0],  # clear
        [5, 5, 0, 0, 0, 0, 0, 0, 0, 0],  # tie
        [4, 0, 0, 3, 3, 0, 0, 0, 0, 0],  # top, but not more than half
        [2, 1, 1, 1, 1, 1, 1, 1, 1, 0],  # single votes dropped: clear
        [0, 0, 0, 0, 0, 0, 0, 8, 2, 0],  # contempt
        [0, 0, 0, 0, 0, 0, 3, 0, 7, 0],  # unknown
        [0, 0, 0, 0, 0, 0, 0, 0, 2, 8],  # not a face
    ],
    dtype=np.uint8,
)


@pytest.mark.parametrize(
    ("protocol", "expected"),
    [
        ("majority", [0, -1, -1, 0, 7, -1, -1]),
        ("majority-7", [0, -1, -1, 0, -1, -1, -1]),
        ("majority-dedup", [0, -1, -1, 0, 7, -1, -1]),
        ("argmax", [0, 0, 0, 0, 7, -1, -1]),
        ("argmax-7-dedup", [0, 0, 0, 0, -1, -1, -1]),
        ("soft", [0, 0, 0, 0, 7, 6, -1]),
    ],
)
def test_the_rules(protocol, expected):
    assert labels_of(VOTES, protocol).tolist() == expected


def made() -> FerPlus:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (14, 48, 48), dtype=np.uint8)
    images[7] = images[0]
    return FerPlus(images, np.tile(VOTES, (2, 1)), np.array(["Training"] * 7 + ["PrivateTest"] * 7))


def test_votes_and_agreement():
    images = protocol_set(made(), "soft")
    assert images.votes.sum(axis=1) == pytest.approx(np.ones(6))
    assert images.votes[5, 6] == 1
    assert images.agreement[5] == pytest.approx(0.7)
    assert images.agreement[0] == pytest.approx(0.9)
    assert images.keys[0] == "row 7"


def test_copies_of_training_images():
    data = made()
    assert protocol_set(data, "majority").in_training.tolist() == [True, False, False]
    assert protocol_set(data, "majority-dedup").keys == ("row 10", "row 11")
    only = FerPlus(data.images[7:], data.votes[7:], data.usage[7:])
    assert protocol_set(only, "majority").in_training is None
    with pytest.raises(DataError, match="Training part of FERPlus is not there"):
        protocol_set(only, "majority-dedup")


def test_seven_classes_leave_contempt_out():
    images = protocol_set(made(), "majority-7")
    assert "contempt" not in images.labels
    assert images.votes.shape == (2, 7)


def test_pictures_and_table_have_one_fingerprint(tmp_path):
    data = made()
    layouts.ferplus_png(tmp_path, data.images[7:], data.votes[7:])
    unchecked = find("ferplus")
    images = read(unchecked, str(tmp_path))
    assert images.layout == "ferplus-png"
    assert images.keys == ("fer0000000.png", "fer0000003.png", "fer0000004.png")
    assert take_inventory(images).fingerprint == take_inventory(protocol_set(data, "majority")).fingerprint
    with pytest.raises(BenchmarkError, match="3 images instead of 3,153; restore|this is not FERPlus"):
        load(unchecked, str(tmp_path))


def test_the_official_files(shared):
    folder = str(shared / "data" / "fer2013")
    for benchmark in CATALOGUE:
        if benchmark.name == "ferplus":
            loaded = load(benchmark, folder)
            assert len(loaded.images) == benchmark.num_images
            assert tuple(loaded.images.counts().values()) == benchmark.counts
            assert loaded.fingerprint == benchmark.fingerprint
    majority = load(find("ferplus"), folder).images
    assert majority.agreement.mean() == pytest.approx(0.785, abs=5e-4)
    assert majority.in_training.sum() == 3153 - find("ferplus", "majority-dedup").num_images
    data, _ = ferplus.load_ferplus(shared / "data" / "fer2013")
    private = data.images[data.rows("PrivateTest")]
    known = {picture.tobytes() for picture in data.images[data.rows("Training")]}
    assert sum(picture.tobytes() in known for picture in private) == 288


def test_two_swapped_rows_of_votes_are_noticed(shared):
    """The counts stay the same; only the fingerprint tells."""
    data, _ = ferplus.load_ferplus(shared / "data" / "fer2013")
    votes, private = np.array(data.votes), data.rows("PrivateTest")
    surprised, happy = (private[data.votes[private, column] == 10][0] for column in (2, 1))
    votes[[surprised, happy]] = votes[[happy, surprised]]
    images = protocol_set(FerPlus(data.images, votes, data.usage), "majority")
    check_counts(find("ferplus"), images)
    with pytest.raises(BenchmarkError, match="pictures or labels were altered"):
        check_contents(find("ferplus"), take_inventory(images), False)
