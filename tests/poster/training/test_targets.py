"""The losses against the official code's numbers, and mixed pictures whose votes say what was mixed."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from poster.training.targets import loss, mix, targets


def test_the_losses_are_the_official_ones(shared: Path) -> None:
    golden = np.load(shared / "golden" / "outputs" / "train_pieces.npz")
    logits, labels = torch.from_numpy(golden["loss_logits"]), torch.from_numpy(golden["loss_labels"]).long()
    wanted = F.one_hot(labels, 7).float()
    assert loss(logits, wanted, "poster").item() == pytest.approx(float(golden["loss_poster"]), rel=1e-6)
    assert loss(logits, wanted, "labels").item() == pytest.approx(float(golden["loss_ce"]), rel=1e-6)


def test_votes_stay_soft_and_labels_are_the_largest() -> None:
    votes = torch.tensor([[0.2, 0.5, 0.3], [0.6, 0.4, 0.0]])
    assert torch.equal(targets(votes, "votes"), votes)
    assert targets(votes, "labels").tolist() == targets(votes, "poster").tolist() == [[0, 1, 0], [1, 0, 0]]


@given(st.sampled_from([(0.0, 0.0), (0.4, 0.0), (0.0, 1.0), (0.4, 1.0)]), st.integers(0, 1000), st.integers(2, 24))
@settings(max_examples=60, deadline=None)
def test_a_mixed_batch_has_the_votes_of_its_pixels(alphas: tuple[float, float], seed: int, side: int) -> None:
    """Pictures that are flat in the colour of their class: the mean of a mixed picture is its vote."""
    torch.manual_seed(seed)
    classes = torch.arange(6) % 2
    images = classes.float().view(6, 1, 1, 1).expand(6, 3, side, side).clone()
    votes = F.one_hot(classes, 2).float()
    mixed, shares = mix(images, votes, *alphas)
    torch.testing.assert_close(mixed.mean(dim=(1, 2, 3)), shares[:, 1], atol=1e-5, rtol=0)
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(6))
    assert torch.equal(images[:, 0, 0, 0], classes.float())  # the batch itself is left alone
    if alphas == (0.0, 0.0):
        assert mixed is images and shares is votes
