"""Density and coverage: by hand, against prdc, at equal sets; and the report against the single functions."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_helpers import line, normal
from torch import Tensor

from zerosum.metrics.measures import density_coverage as module
from zerosum.metrics.measures.density_coverage import density_coverage, manifold_report
from zerosum.metrics.measures.precision_recall import precision_recall
from zerosum.metrics.shared.neighbours import nearest


def test_by_hand() -> None:
    # k = 1. Real radii 1, 1, 2: the fake at 0.5 lies in the first two balls, which it covers; the others in none.
    assert density_coverage(line(0, 1, 3), line(0.5, 10, 10.2), k=1) == (pytest.approx(2 / 3), pytest.approx(2 / 3))


def test_the_surface_does_not_count() -> None:
    assert density_coverage(line(0, 1), line(2, 2), k=1) == (0.0, 0.0)
    # Copies among the real ones have radius 0 and an empty ball, as in prdc.
    assert density_coverage(line(4, 4, 5), line(4, 4), k=1) == (0.0, 0.0)
    assert density_coverage(line(0, 1), line(0), k=1) == (1.0, 0.5)


@pytest.mark.parametrize("k", [1, 5, 9])
@pytest.mark.parametrize(("n", "m", "dimensions"), [(120, 120, 3), (70, 150, 24), (100, 1, 2)])
def test_equals_prdc(n: int, m: int, dimensions: int, k: int) -> None:
    prdc = pytest.importorskip("prdc")
    real, fake = normal(n, dimensions, seed=0), normal(m, dimensions, seed=1) * 0.8 + 0.1
    both = prdc.compute_prdc(real.double().numpy(), (fake if m > k + 1 else fake.repeat(20, 1)).double().numpy(), k)
    found = density_coverage(real, fake, k=k)
    assert found.density == pytest.approx(both["density"], rel=1e-12)
    assert found.coverage == pytest.approx(both["coverage"], rel=1e-12)
    if m > k + 1:
        report = manifold_report(real, fake, k_pr=k, k_dc=k)
        assert report == tuple(pytest.approx(both[name], abs=1e-12) for name in report._fields)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 6), st.integers(10, 60), st.integers(10, 60))
def test_the_report_gives_the_single_functions_numbers(seed: int, k_pr: int, k_dc: int, n: int, m: int) -> None:
    # Rounded, so that points lie on surfaces and <= and < differ.
    real, fake = (normal(n, 2, seed=seed) * 2).round(), (normal(m, 2, seed=seed + 1) * 2).round()
    real[0], real[1] = 50, -50
    report = manifold_report(real, fake, k_pr=k_pr, k_dc=k_dc)
    assert report[:2] == precision_recall(real, fake, k=k_pr)
    assert report[2:] == density_coverage(real, fake, k=k_dc)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    assert report == manifold_report(real[order].double(), fake.flip(0), k_pr=k_pr, k_dc=k_dc, memory_mib=9)


def test_identical_sets_give_one() -> None:
    # Each ball holds its centre and k - 1 neighbours strictly inside: density k / k.
    features = normal(100, 6, seed=2)
    assert density_coverage(features, features, k=5) == (1.0, 1.0)
    assert manifold_report(features, features) == (1.0, 1.0, 1.0, 1.0)


def test_equal_distributions_have_density_one_and_the_coverage_of_the_paper() -> None:
    # A real sample is uncovered if its k nearest of the 2 N - 1 others are all real: product of (N - i) / (2 N - i).
    n, k = 1500, 3
    found = density_coverage(normal(n, 4, seed=3), normal(n, 4, seed=4), k=k)
    uncovered = 1.0
    for i in range(1, k + 1):
        uncovered *= (n - i) / (2 * n - i)
    assert found.density == pytest.approx(1, abs=0.05)
    assert found.coverage == pytest.approx(1 - uncovered, abs=0.025)


def test_one_pass_serves_all_four(monkeypatch: pytest.MonkeyPatch) -> None:
    searches = []

    def counted(*args: Tensor, k: int, memory_mib: float) -> object:
        searches.append(k)
        return nearest(*args, k=k, memory_mib=memory_mib)

    monkeypatch.setattr(module, "nearest", counted)
    manifold_report(normal(20, 2, seed=5), normal(20, 2, seed=6))
    assert searches == [5, 3]


def test_what_is_refused() -> None:
    x = normal(10, 3, seed=5)
    with pytest.raises(ValueError, match="all real features are equal"):
        density_coverage(torch.zeros(10, 3), x)
    with pytest.raises(ValueError, match="5 nearest neighbours need at least 6 samples, not 5"):
        density_coverage(x[:5], x)
    with pytest.raises(ValueError, match="k must be at least 1, not -1"):
        density_coverage(x, x, k=-1)
    with pytest.raises(ValueError, match="k must be at least 1, not 0"):
        manifold_report(x, x, k_pr=0)
    with pytest.raises(ValueError, match="at least 1 samples"):
        density_coverage(x, x[:0])
    with pytest.raises(ValueError, match="too little"):
        manifold_report(x, x, memory_mib=1)
