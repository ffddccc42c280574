"""Sharpness-aware minimisation against its definition, worked out by NumPy on a loss whose gradient is known."""

import numpy as np
import torch
from torch import nn

from poster.training.sam import climb, descend


def test_one_step_is_the_definition() -> None:
    rng = np.random.default_rng(0)
    curvature, a, b = rng.uniform(0.5, 2, 6), rng.normal(size=4), rng.normal(size=2)
    first, second = (nn.Parameter(torch.tensor(value)) for value in (a, b))
    frozen = nn.Parameter(torch.ones(3), requires_grad=False)

    def backward() -> None:
        w = torch.cat([first, second])
        loss = (torch.tensor(curvature) * w**4).sum() / 4
        first.grad, second.grad = torch.autograd.grad(loss, [first, second])

    backward()
    before = climb([first, second, frozen], rho=0.05)
    w = np.concatenate([a, b])
    gradient = curvature * w**3
    above = w + 0.05 * gradient / np.linalg.norm(gradient)
    np.testing.assert_allclose(torch.cat([first, second]).detach(), above, rtol=1e-12)
    backward()
    descend(before)
    np.testing.assert_allclose(torch.cat([first, second]).detach(), w, rtol=0, atol=0)
    torch.optim.SGD([first, second, frozen], lr=0.1).step()
    np.testing.assert_allclose(torch.cat([first, second]).detach(), w - 0.1 * curvature * above**3, rtol=1e-12)
    assert torch.equal(frozen, torch.ones(3))


def test_it_finds_the_wide_valley() -> None:
    """Two valleys, the sharp one a little deeper: plain descent stays in it, SAM with a radius wider than it leaves."""

    def valley(x: torch.Tensor) -> torch.Tensor:
        return -1.05 * torch.exp(-((x - 1) ** 2) / 0.005) - torch.exp(-((x + 1) ** 2) / 2)

    ends = []
    for rho in (0.0, 0.3):
        x = nn.Parameter(torch.tensor(0.99, dtype=torch.float64))
        for _ in range(500):
            x.grad = torch.autograd.grad(valley(x), x)[0]
            if rho:
                before = climb([x], rho)
                x.grad = torch.autograd.grad(valley(x), x)[0]
                descend(before)
            with torch.no_grad():
                x -= 0.004 * x.grad
        ends.append(x.item())
    assert abs(ends[0] - 1) < 0.1 and abs(ends[1] - 1) > 0.2
