"""Draws held against their laws by scipy, and against what they may depend on."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from zerosum.latent.priors import each, labels, normal, normal_like, per_sample, uniform, uniform_like

REAL = torch.zeros(4_000, 2, 3)  # samples, of which only the shape matters


def rng(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("prior", "law"), [(normal, stats.norm()), (uniform, stats.uniform(-1, 2))])
def test_latents_have_their_law(prior: Callable[[int], Callable[[int, torch.Generator], Tensor]], law: object) -> None:
    z = prior(5)(4_000, rng())
    assert (z.shape, z.dtype) == ((4_000, 5), torch.float32)
    assert stats.kstest(z.flatten().numpy(), law.cdf).pvalue > 1e-4  # type: ignore[attr-defined]
    assert torch.corrcoef(z.T).fill_diagonal_(0).abs().max() < 5 / 4_000**0.5


def test_labels_are_equally_likely() -> None:
    drawn = labels(7)(7_000, rng())
    assert (drawn.shape, drawn.dtype) == ((7_000,), torch.int64)
    assert stats.chisquare(np.bincount(drawn, minlength=7)).pvalue > 1e-4


def test_each_draws_for_every_real_sample() -> None:
    assert torch.equal(each(normal(3))(REAL[:10], rng()), normal(3)(10, rng()))
    assert torch.equal(each(labels(4), times=2)(REAL[:10], rng()), labels(4)(20, rng()))


@pytest.mark.parametrize(
    ("draw", "shape", "law"),
    [
        (per_sample, (4_000,), stats.uniform()),
        (uniform_like, (4_000, 2, 3), stats.uniform()),
        (normal_like, (4_000, 2, 3), stats.norm()),
    ],
)
def test_noise_beside_real_samples_has_its_law(
    draw: Callable[[Tensor, torch.Generator], Tensor], shape: tuple[int, ...], law: object
) -> None:
    drawn = draw(REAL, rng())
    assert (drawn.shape, drawn.dtype) == (shape, torch.float32)
    assert stats.kstest(drawn.flatten().numpy(), law.cdf).pvalue > 1e-4  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "draw", [each(normal(3)), each(uniform(3)), each(labels(1_000)), per_sample, uniform_like, normal_like]
)
def test_draws_depend_on_the_generator_only(draw: Callable[[Tensor, torch.Generator], Tensor]) -> None:
    first = draw(REAL, rng())
    assert torch.equal(draw(REAL + 1, rng()), first)
    assert not torch.equal(draw(REAL, rng(2)), first)
