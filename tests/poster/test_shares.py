"""A batch in shares: every picture once and in order, on as many threads as were given, and torch's number of threads as before."""

import threading

import pytest
import torch

from poster import shares
from poster.shares import awake, in_shares


@pytest.fixture
def four_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


SMALL = [(0, [0]), (1, [1]), (15, [15]), (16, [8, 8]), (25, [9, 8, 8]), (32, [8] * 4), (101, [26, 25, 25, 25])]
LARGE = [(0, [0]), (1, [1]), (2, [1, 1]), (3, [2, 1]), (15, [8, 7]), (16, [8, 8]), (25, [9, 8, 8]), (101, [26, 25, 25, 25])]


@pytest.mark.parametrize(("side", "n", "sizes"), [(48, *one) for one in SMALL] + [(65, *one) for one in LARGE])
def test_every_picture_once_in_order_by_threads_that_share_what_there_is(four_threads, side, n, sizes):
    images = torch.arange(float(n * side)).view(n, side)
    found = in_shares(lambda part: (part * 2, torch.get_num_threads(), threading.get_ident()), images)
    assert [len(part) for part, _, _ in found] == sizes
    assert torch.equal(torch.cat([part for part, _, _ in found]), images * 2)
    alone = side == 48 and len(sizes) == 1
    assert all(threads == (1 if alone else 4 // len(sizes)) for _, threads, _ in found)
    here = threading.get_ident()
    assert all((who == here) == (len(sizes) == 1) for *_, who in found)


@pytest.mark.parametrize(("side", "threads"), [(48, 1), (64, 1), (65, 4), (224, 4)])
def test_small_pictures_too_few_to_share_stay_on_one_thread(four_threads, side, threads):
    images = torch.zeros(1, 3, side, side)
    assert in_shares(lambda part: torch.get_num_threads(), images) == [threads]
    with awake(images):
        assert torch.get_num_threads() == threads
    assert torch.get_num_threads() == 4


def test_the_usual_number_of_threads_comes_back_after_an_error(four_threads):
    with pytest.raises(ValueError, match="no"), awake(torch.zeros(1, 3, 48, 48)):
        raise ValueError("no")
    assert torch.get_num_threads() == 4


def test_threads_born_later_have_their_usual_number(four_threads, monkeypatch):
    monkeypatch.setattr(shares, "_crews", {})
    in_shares(lambda part: part, torch.zeros(32, 1))
    seen = []
    thread = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert seen == [4] and torch.get_num_threads() == 4


def test_the_shares_compute_at_the_same_time(four_threads):
    meeting = threading.Barrier(4)  # would break after its timeout if one waited for another's end
    in_shares(lambda part: meeting.wait(timeout=20), torch.zeros(32, 1))
    assert meeting.n_waiting == 0 and not meeting.broken


def test_what_goes_wrong_in_one_is_heard_of(four_threads):
    def call(part):
        if part[0] == 8:
            raise ValueError("the second share")
        return part

    with pytest.raises(ValueError, match="the second share"):
        in_shares(call, torch.arange(32.0))
    assert len(in_shares(lambda part: part, torch.zeros(32, 1))) == 4
