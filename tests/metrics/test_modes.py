"""Modes by hand-made points, and the share within 3 sigma by the chi-square law."""

import math

import pytest
import scipy.stats
import torch
from scipy.special import rel_entr

from zerosum.metrics.measures.modes import IDEAL_QUALITY, measure_modes

SQUARE = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0]])


def test_hand_made_points() -> None:
    points = torch.tensor(
        [
            [0.0, 0.0],  # mode 0
            [0.2, 0.2],  # mode 0, at 0.283
            [0.25, 0.25],  # near mode 0, but at 0.354 > 0.3: each axis alone would pass
            [10.0, 0.29],  # mode 1
            [10.0, 9.5],  # nearest mode 3, far off
            [5.1, 9.9],  # nearest mode 3, far off
        ]
    )
    found = measure_modes([points], SQUARE, std=0.1)
    assert found.samples == 6
    assert found.covered == 2
    assert found.quality == pytest.approx(3 / 6)
    assert found.counts == (2, 1, 0, 0)
    # Nearest modes: 3, 1, 0 and 2 points; KL to uniform by scipy.
    assert found.divergence == pytest.approx(rel_entr([3 / 6, 1 / 6, 0, 2 / 6], [0.25] * 4).sum())


def test_batches_do_not_matter() -> None:
    points = 12 * torch.rand(1000, 2, generator=torch.Generator().manual_seed(0)) - 1
    assert measure_modes([points], SQUARE, 0.5) == measure_modes(points.split(77), SQUARE, 0.5)


def test_true_samples_follow_the_chi_square_law() -> None:
    n, rng = 200_000, torch.Generator().manual_seed(1)
    points = SQUARE[torch.randint(4, (n,), generator=rng)] + 0.3 * torch.randn(n, 2, generator=rng)
    found = measure_modes([points], SQUARE, std=0.3)
    expected = scipy.stats.chi2.cdf(9, df=2)
    assert pytest.approx(expected, abs=1e-12) == IDEAL_QUALITY
    assert IDEAL_QUALITY == 1 - math.exp(-4.5)
    assert found.quality == pytest.approx(expected, abs=4 * math.sqrt(expected * (1 - expected) / n))
    assert found.covered == 4
    # 2 n KL is asymptotically chi-square with 3 degrees of freedom.
    assert found.divergence < scipy.stats.chi2.ppf(0.9999, df=3) / (2 * n)


def test_collapse_and_evenness() -> None:
    collapsed = measure_modes([torch.zeros(50, 2)], SQUARE, 0.1)
    assert (collapsed.covered, collapsed.quality) == (1, 1.0)
    assert collapsed.divergence == pytest.approx(math.log(4))
    even = measure_modes([SQUARE, SQUARE], SQUARE, 0.1)
    assert (even.covered, even.quality, even.divergence) == (4, 1.0, 0.0)


def test_the_border_is_inside() -> None:
    modes = torch.zeros(1, 2)
    assert measure_modes([torch.tensor([[0.75, 0.0]])], modes, 0.25).covered == 1
    assert measure_modes([torch.tensor([[0.7501, 0.0]])], modes, 0.25).covered == 0


@pytest.mark.parametrize(
    ("points", "modes", "std", "said"),
    [
        (torch.empty(0, 2), SQUARE, 0.1, "no samples"),
        (torch.zeros(3, 3), SQUARE, 0.1, r"points \(B, 2\)"),
        (torch.zeros(3, 2), torch.empty(0, 2), 0.1, "M >= 1"),
        (torch.zeros(3, 2), SQUARE, 0.0, "must be positive"),
        (torch.zeros(3, 2), SQUARE, math.nan, "must be positive"),
    ],
)
def test_what_is_refused(points: torch.Tensor, modes: torch.Tensor, std: float, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        measure_modes([points], modes, std)
