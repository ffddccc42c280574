"""The two CSV files as they come: byte order marks, line ends, and votes that are no votes."""

import numpy as np
import pytest

from poster.data import ferplus
from poster.data.ferplus import VOTE_COLUMNS, read_ferplus
from poster.errors import DataError


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Three rows in the official form."""
    monkeypatch.setattr(ferplus, "ROWS", 3)
    pixels = " ".join(["7"] * 48 * 48)
    (tmp_path / "fer2013.csv").write_text("emotion,pixels,Usage\n" + f"0,{pixels},Training\n" * 2 + f"0,{pixels},PrivateTest\n")
    rows = [f"{part},fer{number}.png,0,9,0,0,0,0,0,0,1,0" for number, part in enumerate(("Training", "Training", "PrivateTest"))]
    (tmp_path / "fer2013new.csv").write_text("\n".join(["Usage,Image name," + ",".join(VOTE_COLUMNS), *rows]))
    return tmp_path


def test_byte_order_marks_and_line_ends_change_nothing(small):
    plain = read_ferplus(small)
    assert (plain.images.shape, plain.votes[2].tolist(), plain.usage.tolist()[2]) == ((3, 48, 48), [0, 9, 0, 0, 0, 0, 0, 0, 1, 0], "PrivateTest")
    for path in small.iterdir():
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    again = read_ferplus(small)
    assert np.array_equal(plain.votes, again.votes)
    assert np.array_equal(plain.images, again.images)


@pytest.mark.parametrize("vote", ["", "-1", "2.5", "300", "inf"])
def test_votes_that_are_no_votes_are_named(small, vote):
    path = small / "fer2013new.csv"
    path.write_text(path.read_text().replace("fer1.png,0,9", f"fer1.png,{vote},9"))
    with pytest.raises(DataError, match=r"row 1 of fer2013new\.csv does not hold ten numbers of votes"):
        read_ferplus(small)


@pytest.mark.parametrize("name", ["fer2013.csv", "fer2013new.csv"])
def test_another_delimiter_is_not_read_as_data(small, name):
    path = small / name
    path.write_text(path.read_text().replace(",", ";"))
    with pytest.raises(DataError, match=f"{name} has 3 rows.*fetch it again"):
        read_ferplus(small)
