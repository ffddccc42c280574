"""Verification against scikit-learn's folds and ROC; the reader of pair sets against real and hostile pickles."""

import io
import os
import pickle

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import accuracy_score, roc_curve
from sklearn.model_selection import KFold

from eval.pairs import read_pairs, unpickle_plain
from eval.verification import best_threshold, folds, fuse, tar_at_far, ten_fold, verify
from poster.errors import DataError


def pairs(count: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    same = rng.random(count) < 0.5
    return np.where(same, 0.6, 0.1) + 0.25 * rng.standard_normal(count), same


@pytest.mark.parametrize("count", [10, 57, 600])
def test_folds_are_those_of_scikit_learn(count):
    theirs = [test for _, test in KFold(10).split(np.zeros(count))]
    assert all((a == b).all() for a, b in zip(folds(count), theirs, strict=True))


def test_ten_folds_equal_a_search_over_every_threshold():
    similarity, same = pairs()
    accuracies = []
    for train, test in KFold(10).split(similarity):
        candidates = np.sort(similarity[train])
        candidates = np.concatenate([[candidates[0] - 1], (candidates[1:] + candidates[:-1]) / 2, [candidates[-1] + 1]])
        scores = [accuracy_score(same[train], similarity[train] > threshold) for threshold in candidates]
        accuracies.append(accuracy_score(same[test], similarity[test] > candidates[int(np.argmax(scores))]))
    mean, spread, _ = ten_fold(similarity, same)
    assert mean == pytest.approx(np.mean(accuracies))
    assert spread == pytest.approx(np.std(accuracies))


def test_a_threshold_for_equal_similarities():
    similarity, same = np.array([0.5, 0.5, 0.5, 0.2]), np.array([True, True, False, False])
    assert 0.2 < best_threshold(similarity, same) < 0.5


@pytest.mark.parametrize("far", [1e-1, 1e-2, 1e-3])
def test_tar_equals_the_roc_curve(far):
    similarity, same = pairs(3000)
    false_rate, true_rate, _ = roc_curve(same, similarity, drop_intermediate=False)
    assert tar_at_far(similarity, same, far) == pytest.approx(true_rate[false_rate <= far].max())


def test_a_far_that_the_set_cannot_show_is_undefined():
    similarity, same = pairs()
    assert tar_at_far(similarity, same, 1e-4) is None


def test_fusion_weighs_by_length():
    fused = fuse(np.array([[3.0, 0.0]]), np.array([[0.0, 4.0]]))
    assert fused == pytest.approx(np.array([[0.6, 0.8]]))


def test_perfect_embeddings_verify_perfectly():
    rng = np.random.default_rng(0)
    people = rng.standard_normal((40, 8))
    same = np.arange(40) % 2 == 0
    second = np.where(same[:, None], people, rng.standard_normal((40, 8)))
    embeddings = np.stack([people, second], axis=1).reshape(80, 8)
    found = verify(embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True), same)
    assert found.accuracy == 1
    assert found.tar == {"0.001": None, "0.0001": None}


def picture(value: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), (value, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("protocol", range(6))
def test_pair_sets_are_read_without_unpickling(tmp_path, protocol):
    path = tmp_path / "lfw.bin"
    path.write_bytes(pickle.dumps(([picture(n) for n in range(4)], [True, False]), protocol=protocol))
    found = read_pairs(path)
    assert (found.name, len(found.pictures), found.same.tolist()) == ("lfw", 4, [True, False])
    assert found.read(3)[0, 0].tolist() == [3, 0, 0]


def test_python_2_files_are_read(tmp_path):
    """InsightFace's own files were written by Python 2: byte strings are SHORT_BINSTRING and BINSTRING there."""
    items = b"".join((b"U" + bytes([3]) + b"abc", b"T" + (3).to_bytes(4, "little") + b"\xff\x00z", b"U\x01q", b"U\x01r"))
    content = b"\x80\x02]q\x00(" + items + b"e]q\x01(\x88\x89e\x86q\x02."
    assert unpickle_plain(content, "x")[1] == [True, False]
    path = tmp_path / "x.bin"
    path.write_bytes(content)
    assert read_pairs(path).pictures[1] == b"\xff\x00z"


class Attack:
    def __init__(self, marker: str) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (self.marker,)


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_that_runs_code_is_refused(tmp_path, protocol):
    marker = tmp_path / "ran"
    payload = pickle.dumps(([Attack(str(marker)), b"b"], [True]), protocol=protocol)
    pickle.loads(payload)
    assert marker.is_dir(), "the attack must work against a naive reader"
    marker.rmdir()
    with pytest.raises(DataError, match="something else than pictures and flags"):
        unpickle_plain(payload, "lfw.bin")
    assert not marker.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x04",
        b"hello",
        b"\x80\x04K\x01.",
        b"(((",
        pickle.dumps(([b"a"], [True])),
        pickle.dumps({"a": 1}),
        b"\x80\x04t.",
        b"\x80\x04" + b"K\x01" * 30_000 + b"(t" * 30_000 + b".",
    ],
)  # the last would take half a minute, were each mark looked for
def test_broken_pair_sets_get_a_sentence(tmp_path, content):
    path = tmp_path / "x.bin"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"x\.bin"):
        read_pairs(path)


@pytest.mark.parametrize("call", [b"c_codecs\ndecode\n", b"cbuiltins\neval\n", b"c_codecs\nencode\nK\x01\x86R"])
def test_only_that_one_name_is_worked_out(call):
    """Another function, or the encoder's result used as a function, is refused."""
    with pytest.raises(DataError, match="something else than pictures"):
        unpickle_plain(b"\x80\x02" + call + b"X\x01\x00\x00\x00aX\x06\x00\x00\x00latin1\x86R.", "x")
