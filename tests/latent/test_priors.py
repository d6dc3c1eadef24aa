"""Draws held against their laws by scipy, and against what they may depend on."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from zerosum.latent.priors import (
    Coded,
    Conditional,
    LabelLaw,
    each,
    labels,
    labels_like,
    normal,
    normal_like,
    one_hot,
    per_sample,
    uniform,
    uniform_like,
)

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


@pytest.mark.parametrize("counts", [(86, 14), (3, 0, 5, 1), (1, 10**9), (0, 7)])
def test_empirical_labels_have_the_frequencies_of_the_data(counts: tuple[int, ...]) -> None:
    drawn = LabelLaw("empirical", counts)(7_000, rng())
    assert (drawn.shape, drawn.dtype) == ((7_000,), torch.int64)
    found, shares = np.bincount(drawn, minlength=len(counts)), np.array(counts) / sum(counts)
    assert len(found) == len(counts)
    assert (found[shares == 0] == 0).all()
    assert stats.binomtest(int(found[1]), 7_000, shares[1]).pvalue > 1e-4 if 0 < shares[1] < 1 else True
    present = shares > 0
    assert present.sum() == 1 or stats.chisquare(found[present], 7_000 * shares[present]).pvalue > 1e-4


def test_labels_are_exactly_as_frequent_as_integers_below_their_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "randint", lambda high, size, **_: torch.arange(high))  # each integer once
    assert torch.bincount(LabelLaw("empirical", (3, 0, 5, 1, 0))(9, rng()), minlength=5).tolist() == [3, 0, 5, 1, 0]


def test_equal_frequencies_give_the_labels_of_the_uniform_law() -> None:
    assert torch.equal(LabelLaw("empirical", (26,) * 10)(500, rng()), labels(10)(500, rng()))
    assert torch.equal(labels(10)(500, rng()), torch.randint(10, (500,), generator=rng()))  # as ever


class Few:
    def __init__(self, *counts: int) -> None:
        self.classes, self.counts = tuple("abc"), counts

    def class_counts(self) -> tuple[int, ...]:
        return self.counts


def test_the_law_is_that_of_the_data_where_their_labels_are_known() -> None:
    assert labels_like(Few(5, 0, 2)) == LabelLaw("empirical", (5, 0, 2))
    assert labels_like(Few()) == labels_like(Few(0, 0, 0)) == labels(3) == LabelLaw("uniform", (1, 1, 1))


@pytest.mark.parametrize("counts", [(), (0, 0), (3, -1)])
def test_counts_that_are_no_law_are_refused(counts: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"counts=.* one number for each class, of 0 or more, and not all 0"):
        LabelLaw("empirical", counts)


@pytest.mark.parametrize("first", [False, True])
def test_conditions_are_drawn_before_or_after_latents(first: bool) -> None:
    z, y = Conditional(normal(3), LabelLaw("empirical", (1, 2)), first)(50, rng())
    g = rng()
    parts = [normal(3), LabelLaw("empirical", (1, 2))]
    drawn = [part(50, g) for part in (parts[::-1] if first else parts)]
    assert [part.tolist() for part in (z, y)] == [part.tolist() for part in (drawn[::-1] if first else drawn)]


def test_codes_follow_the_noise() -> None:
    z = Coded(uniform(3), (one_hot(4), uniform(2)))(1_000, rng())
    assert (z.shape, z.dtype) == ((1_000, 9), torch.float32)
    codes = z[:, 3:7]
    assert torch.equal(codes.sum(1), torch.ones(1_000))
    assert set(codes.unique().tolist()) == {0.0, 1.0}
    assert stats.chisquare(codes.sum(0)).pvalue > 1e-4
    assert stats.kstest(z[:, [0, 1, 2, 7, 8]].flatten().numpy(), stats.uniform(-1, 2).cdf).pvalue > 1e-4


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
