"""Pictures and their landmarks move together; degraded pictures stay pictures."""

import dataclasses

import numpy as np
import pytest
import torch

from poster.training.augment import MIRROR_68, degrade, random_affine, warp, warp_points
from poster.training.recipe import Augmentation

HOW = Augmentation()


@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_points_follow_the_picture(flip: float) -> None:
    """A bright spot put on a landmark is found again, after the warp, where warp_points says."""
    torch.manual_seed(3)
    side, how = 96, dataclasses.replace(HOW, flip=flip)
    points = 0.3 + 0.4 * torch.rand(16, 68, 2)
    affine = random_affine(16, how)
    moved = warp_points(points, affine)
    for landmark in (0, 30, 36, 54):
        images = torch.zeros(16, 1, side, side)
        rows, columns = np.mgrid[:side, :side] + 0.5
        for i in range(16):
            x, y = points[i, landmark].numpy() * side
            images[i, 0] = torch.from_numpy(np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 8))
        warped = warp(images, affine)[:, 0].numpy()
        mass = warped.sum(axis=(1, 2))
        found = np.stack([(warped * columns).sum(axis=(1, 2)) / mass, (warped * rows).sum(axis=(1, 2)) / mass], axis=1) / side
        name = MIRROR_68.index(landmark) if flip else landmark
        np.testing.assert_allclose(moved[:, name].numpy(), found, atol=0.5 / side)


def test_the_mirror_is_its_own_inverse_and_swaps_the_eyes() -> None:
    assert [MIRROR_68[i] for i in MIRROR_68] == list(range(68))
    assert MIRROR_68[36] == 45
    assert MIRROR_68[48] == 54
    assert MIRROR_68[8] == 8


def test_degraded_pictures_stay_in_range_and_differ() -> None:
    torch.manual_seed(0)
    images = torch.rand(32, 1, 48, 48)
    degraded = degrade(images, HOW)
    assert degraded.shape == images.shape
    assert degraded.min() >= 0
    assert degraded.max() <= 1
    assert (degraded - images).abs().amax(dim=(1, 2, 3)).min() > 0


def test_light_is_multiplied_and_cut_at_white_for_its_share_alone() -> None:
    torch.manual_seed(0)
    plain = Augmentation(brightness=0, contrast=0, low_resolution=0, noise=0, erase=0)
    images = torch.rand(400, 1, 8, 8) * 0.98 + 0.02
    lit = degrade(images, dataclasses.replace(plain, light=0.25))
    times = (lit / images).flatten(1)
    changed = (times - 1).abs().amax(dim=1) > 1e-6
    assert 0.17 < changed.float().mean() < 0.33
    once = times[changed & (lit.amax(dim=(1, 2, 3)) < 1)]
    torch.testing.assert_close(once, once[:, :1].expand_as(once))  # one factor a picture
    assert 0.4 <= once.min() < 0.6 and lit.max() == 1 and (lit[changed] == 1).any(dim=-1).any(dim=-1).any(dim=-1).sum() > 10
    torch.testing.assert_close(degrade(images, dataclasses.replace(plain, light=0.0)), images, rtol=0, atol=1e-6)


def test_light_is_cut_before_a_picture_becomes_coarse() -> None:
    torch.manual_seed(0)
    stripes = torch.zeros(200, 1, 48, 48)
    stripes[..., ::2] = 1
    nothing = Augmentation(brightness=0, contrast=0, low_resolution=1, noise=0, erase=0, light=1)
    assert degrade(stripes, nothing).mean(dim=(1, 2, 3)).max() < 0.51  # half of it white; uncut, 1.7 times the light would leave 0.85


def test_no_strength_leaves_the_picture_alone() -> None:
    torch.manual_seed(0)
    nothing = dataclasses.replace(HOW, flip=0.0).scaled(0.0)
    images = torch.rand(8, 1, 48, 48)
    torch.testing.assert_close(degrade(warp(images, random_affine(8, nothing)), nothing), images, atol=1e-4, rtol=0)
