"""Inversion of generators whose best latents are known: linear ones, against numpy's and scipy's least squares."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.optimize import lsq_linear
from torch import Tensor
from torchmetrics.functional.image import peak_signal_noise_ratio

from zerosum.latent.invert import Descent, invert, psnr

rng = torch.Generator().manual_seed(0)
MATRIX, SHIFT = torch.randn(12, 3, generator=rng), torch.randn(12, generator=rng)
TARGETS, STARTS = torch.randn(4, 2, 6, generator=rng), torch.randn(5, 3, generator=rng)
LONG = Descent(steps=600, lr=0.1)


def linear(z: Tensor) -> Tensor:
    """Images of shape (2, 6)."""
    return (z @ MATRIX.T + SHIFT).reshape(-1, 2, 6)


def least_squares(weights: Tensor | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The best latents of ``TARGETS``, and their (weighted) mean squared errors."""
    root = np.ones(12) if weights is None else weights.sqrt().numpy()
    y = (TARGETS.reshape(4, 12) - SHIFT).numpy() * root
    a = MATRIX.numpy() * root[:, None]
    z = np.linalg.lstsq(a, y.T, rcond=None)[0].T
    return z, ((z @ a.T - y) ** 2).mean(1)


def test_a_linear_generator_is_inverted_by_least_squares() -> None:
    found = invert(linear, TARGETS, STARTS, how=LONG)
    z, errors = least_squares()
    np.testing.assert_allclose(found.latents.numpy(), z, atol=1e-3)
    np.testing.assert_allclose(found.losses.numpy(), errors, rtol=1e-5)


def test_latents_are_kept_within_bounds_where_these_bind() -> None:
    found = invert(linear, TARGETS, STARTS, how=LONG._replace(bound=0.2))
    for z, target in zip(found.latents.numpy(), TARGETS.reshape(4, 12), strict=True):
        best = lsq_linear(MATRIX.double().numpy(), (target - SHIFT).double().numpy(), bounds=(-0.2, 0.2)).x
        np.testing.assert_allclose(z, best, atol=2e-3)
    assert found.latents.abs().max() == pytest.approx(0.2)


def test_a_further_distance_is_added() -> None:
    def first_row(a: Tensor, b: Tensor) -> Tensor:
        return (a - b)[:, 0].square().sum(1)

    found = invert(linear, TARGETS, STARTS, how=LONG._replace(distance=first_row))
    weights = torch.ones(2, 6)
    weights[0] += 12  # 1/12 of each pixel, and all of those in the first row
    z, errors = least_squares(weights.flatten())
    np.testing.assert_allclose(found.latents.numpy(), z, atol=1e-3)
    np.testing.assert_allclose(found.losses.numpy(), errors, rtol=1e-4)
    assert np.abs(z - least_squares()[0]).max() > 0.05


def test_without_steps_the_nearest_start_is_chosen() -> None:
    found = invert(linear, TARGETS, STARTS, how=Descent(steps=0))
    made = (STARTS @ MATRIX.T + SHIFT).numpy()
    table = ((made[None] - TARGETS.reshape(4, 1, 12).numpy()) ** 2).mean(2)
    assert found.chosen.tolist() == table.argmin(1).tolist()
    assert len(set(found.chosen.tolist())) > 1
    assert torch.equal(found.latents, STARTS[found.chosen])
    np.testing.assert_allclose(found.losses.numpy(), table.min(1), rtol=1e-5)


def test_each_start_keeps_its_label() -> None:
    bases = torch.tensor([[5.0, 0.0], [0.0, 5.0], [-5.0, -5.0]])

    def generate(z: Tensor, y: Tensor) -> Tensor:
        return bases[y] + torch.tanh(z)  # a label cannot reach the images of another

    targets = torch.tensor([[0.3, 4.6], [4.8, 0.2], [-5.2, -4.9]])
    found = invert(generate, targets, torch.zeros(6, 2), torch.tensor([0, 1, 2, 0, 1, 2]), how=LONG)
    assert (found.chosen % 3).tolist() == [1, 0, 2]
    expected = torch.atanh(targets - bases[[1, 0, 2]])
    torch.testing.assert_close(found.latents, expected, atol=2e-3, rtol=0)


def test_the_best_on_the_way_is_kept() -> None:
    start = torch.tensor([[0.1, 0.0, 0.0]])
    found = invert(linear, linear(torch.zeros(1, 3)), start, how=Descent(steps=3, lr=50.0))
    assert torch.equal(found.latents, start)  # every step overshoots by far
    assert found.losses.item() == pytest.approx(0.01 * MATRIX[:, 0].square().mean().item(), rel=1e-4)


def test_steps_are_those_of_adam_along_half_a_cosine() -> None:
    def bent(z: Tensor) -> Tensor:
        return torch.tanh(z @ MATRIX.T)

    target = bent(torch.tensor([[0.5, -0.2, 0.3]]))
    z = STARTS[:1].clone().requires_grad_()
    adam = torch.optim.Adam([z], lr=0.03)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, 20)
    for _ in range(20):
        adam.zero_grad()
        (bent(z) - target).square().mean().backward()
        adam.step()
        schedule.step()
    found = invert(bent, target, STARTS[:1], how=Descent(steps=20, lr=0.03))
    torch.testing.assert_close(found.latents, z.detach(), atol=1e-5, rtol=1e-5)


def test_images_and_starts_do_not_influence_each_other() -> None:
    starts = torch.randn(100, 3, generator=torch.Generator().manual_seed(1))  # 400 pairs: more than one piece
    how = Descent(steps=15, lr=0.05)
    together = invert(linear, TARGETS, starts, how=how)
    for i in range(4):
        alone = invert(linear, TARGETS[i : i + 1], starts[together.chosen[i]][None], how=how)
        torch.testing.assert_close(alone.latents[0], together.latents[i], atol=1e-5, rtol=1e-5)


def test_all_steps_are_reported() -> None:
    counted: list[int] = []
    invert(linear, TARGETS, STARTS, how=Descent(steps=7), advance=counted.append)
    assert sum(counted) == 4 * 5 * 7


@pytest.mark.parametrize(("targets", "starts"), [(TARGETS[:0], STARTS), (TARGETS, STARTS[:0])])
def test_nothing_to_invert_is_refused(targets: Tensor, starts: Tensor) -> None:
    with pytest.raises(ValueError, match=r"one of each at least"):
        invert(linear, targets, starts)


def test_psnr_is_that_of_torchmetrics() -> None:
    a, b = (torch.rand(5, 3, 8, 8, generator=rng) * 2 - 1 for _ in range(2))
    reference: Callable[..., Tensor] = peak_signal_noise_ratio
    expected = [reference(x[None], y[None], data_range=2.0).item() for x, y in zip(a, b, strict=True)]
    assert psnr(a, b).tolist() == pytest.approx(expected, rel=1e-5)
    assert psnr(torch.zeros(1, 4), torch.full((1, 4), 0.2)).item() == pytest.approx(20.0)
    assert psnr(a[:1], a[:1]).item() == math.inf
