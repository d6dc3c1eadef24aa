import math

import pytest
import torch
from scipy import stats
from torch import Tensor

from zerosum.latent.priors import Coded, Conditional, LabelLaw, one_hot
from zerosum.latent.priors import uniform as uniform_noise
from zerosum.latent.truncation import truncated

FRESH = 40_000  # components drawn for a test of their distribution


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(n: int, g: torch.Generator) -> Tensor:
    return torch.randn(n, 8, generator=g)


def uniform(n: int, g: torch.Generator) -> Tensor:
    return torch.rand(n, 8, generator=g) * 2 - 1


def conditional(n: int, g: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    return torch.randn(n, 8, generator=g), torch.randint(10, (n,), generator=g), 50 + torch.rand(n, 3, generator=g)


@pytest.mark.parametrize("threshold", [0.1, 0.5, 1.0, 2.0])
def test_truncated_normal_latents_have_scipys_distribution(threshold: float) -> None:
    z = truncated(normal, threshold)(FRESH // 8, rng())
    assert z.shape == (FRESH // 8, 8)
    assert z.abs().max() <= threshold
    assert stats.kstest(z.flatten().numpy(), stats.truncnorm(-threshold, threshold).cdf).pvalue > 0.05


@pytest.mark.parametrize("threshold", [0.5, 2.0])
def test_components_stay_independent(threshold: float) -> None:
    z = truncated(normal, threshold)(FRESH, rng(1)).double()
    away = torch.corrcoef(z.T) - torch.eye(8).double()
    assert away.abs().max() < 5 / math.sqrt(FRESH)


def test_what_is_within_is_what_would_have_been_drawn_anyway() -> None:
    plain, z = normal(1000, rng()), truncated(normal, 1.0)(1000, rng())
    within = plain.abs() <= 1
    assert 0.6 < within.float().mean() < 0.75  # 68%
    assert torch.equal(z[within], plain[within])


@pytest.mark.parametrize("threshold", [1.0, 1.5, math.inf])
def test_a_uniform_prior_is_within_already(threshold: float) -> None:
    assert torch.equal(truncated(uniform, threshold)(500, rng()), uniform(500, rng()))


def test_a_uniform_prior_is_truncated_below_1() -> None:
    z = truncated(uniform, 0.25)(FRESH // 8, rng())
    assert stats.kstest(z.flatten().numpy(), stats.uniform(-0.25, 0.5).cdf).pvalue > 0.05


def test_the_rest_of_a_tuple_is_kept() -> None:
    plain, drawn = conditional(300, rng()), truncated(conditional, 0.3)(300, rng())
    assert isinstance(drawn, tuple)
    assert drawn[0].abs().max() <= 0.3
    assert torch.equal(drawn[1], plain[1])
    assert torch.equal(drawn[2], plain[2])  # beyond the threshold, and none of its business


def test_codes_are_no_noise() -> None:
    prior = Coded(uniform_noise(8), (one_hot(5), uniform_noise(2)))
    plain, z = prior(2_000, rng()), truncated(prior, 0.25)(2_000, rng())
    assert torch.equal(z[:, 8:], plain[:, 8:])
    assert torch.equal(z[:, 8:13].sum(1), torch.ones(2_000))
    assert stats.kstest(z[:, :8].flatten().numpy(), stats.uniform(-0.25, 0.5).cdf).pvalue > 0.05
    labelled = truncated(Conditional(prior, LabelLaw("uniform", (1, 1))), 0.25)(2_000, rng())
    assert isinstance(labelled, tuple)
    assert torch.equal(labelled[0][:, 8:], plain[:, 8:])
    assert labelled[0][:, :8].abs().max() <= 0.25


@pytest.mark.parametrize("threshold", [0.0, -1.0, math.nan])
def test_a_threshold_that_leaves_nothing_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match=rf"truncation={threshold:g}: must be above 0"):
        truncated(normal, threshold)


def test_latents_that_never_come_within_are_reported() -> None:
    draw = truncated(lambda n, g: torch.ones(n, 1), 0.999)
    with pytest.raises(ValueError, match=r"truncation=0.999: after 10,000 draws .* use a larger one"):
        draw(2, rng())
    assert torch.equal(truncated(lambda n, g: torch.ones(n, 1), 1.0)(2, rng()), torch.ones(2, 1))
