"""Improved precision and recall: by hand, against prdc, and what must not change them."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_helpers import line, normal

from zerosum.metrics.measures.precision_recall import precision_recall


def test_by_hand() -> None:
    # k = 1. Real radii 1, 1, 2: of the fakes only 0.5 is inside. Fake radii 9.5, 0.2, 0.2: the first holds every real.
    found = precision_recall(line(0, 1, 3), line(0.5, 10, 10.2), k=1)
    assert found == (pytest.approx(1 / 3), 1.0)


def test_the_surface_counts() -> None:
    # Both fakes lie at 2, at distance 1 from the real at 1, whose radius is 1. Their own radius is 0: they are equal.
    assert precision_recall(line(0, 1), line(2, 2), k=1) == (1.0, 0.0)
    # A fake on a real is inside a ball of radius 0, and so the other way round.
    assert precision_recall(line(4, 4, 5), line(4, 4, 9), k=1) == (2 / 3, 1.0)


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize(("n", "m", "dimensions"), [(120, 120, 3), (70, 150, 24)])
def test_equals_prdc(n: int, m: int, dimensions: int, k: int, capsys: pytest.CaptureFixture[str]) -> None:
    # prdc excludes the surface, which no point of continuous data lies on.
    prdc = pytest.importorskip("prdc")
    real, fake = normal(n, dimensions, seed=0), normal(m, dimensions, seed=1) * 0.8 + 0.3
    expected = prdc.compute_prdc(real.double().numpy(), fake.double().numpy(), nearest_k=k)
    found = precision_recall(real, fake, k=k)
    assert found == (pytest.approx(expected["precision"], abs=1e-12), pytest.approx(expected["recall"], abs=1e-12))
    assert 0 < found.precision < 1 or k == 5
    assert 0 < found.recall < 1


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(5, 60), st.integers(5, 60), st.integers(1, 4))
def test_swapping_the_sets_swaps_the_numbers(seed: int, n: int, m: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    # Few different points, so that ties and copies occur; never all equal.
    real, fake = (torch.from_numpy(rng.integers(0, 4, (size, 2))).float() for size in (n, m))
    real[0], fake[0] = -1, -1
    there, back = precision_recall(real, fake, k=k), precision_recall(fake, real, k=k)
    assert there == (back.recall, back.precision)
    shuffled = precision_recall(
        real[torch.from_numpy(rng.permutation(n))],
        fake[torch.from_numpy(rng.permutation(m))].double(),
        k=k,
        memory_mib=9,
    )
    assert there == shuffled


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 100), st.booleans())
def test_copies_of_fakes_never_raise_recall(seed: int, k: int, copies: int, discrete: bool) -> None:
    rng = np.random.default_rng(seed)
    draw = (lambda n: rng.integers(0, 5, (n, 3))) if discrete else (lambda n: rng.normal(size=(n, 3)))
    real, fake = (torch.from_numpy(draw(50)).float() for _ in range(2))
    more = torch.cat([fake, fake[torch.from_numpy(rng.integers(0, 50, copies))]])
    assert precision_recall(real, more, k=k).recall <= precision_recall(real, fake, k=k).recall


def test_identical_sets_give_one() -> None:
    for features in (normal(100, 6, seed=2), normal(100, 6, seed=2).round(), normal(30, 6, seed=2).repeat(3, 1)):
        assert precision_recall(features, features, k=3) == (1.0, 1.0)


def test_dropped_modes_lower_recall_and_noise_lowers_precision() -> None:
    centres = 20 * normal(10, 8, seed=3)
    real = torch.cat([c + normal(40, 8, seed=i) for i, c in enumerate(centres)])
    half = torch.cat([c + normal(40, 8, seed=100 + i) for i, c in enumerate(centres[:5])])
    all_modes = torch.cat([c + normal(40, 8, seed=100 + i) for i, c in enumerate(centres)])
    full, dropped, noisy = (
        precision_recall(real, x) for x in (all_modes, half, all_modes + 3 * normal(400, 8, seed=9))
    )
    assert full.precision > 0.6
    assert full.recall > 0.6
    assert dropped.recall == pytest.approx(full.recall / 2, abs=0.05)
    assert dropped.precision == pytest.approx(full.precision, abs=0.1)
    assert noisy.precision < full.precision / 3


def test_collapse_onto_a_real_image() -> None:
    real = normal(200, 5, seed=4)
    assert precision_recall(real, real[:1].repeat(100, 1)) == (1.0, 1 / 200)


def test_what_is_refused() -> None:
    x = normal(10, 3, seed=5)
    with pytest.raises(ValueError, match="all real features are equal"):
        precision_recall(torch.ones(10, 3), x)
    with pytest.raises(ValueError, match="3 nearest neighbours need at least 4 samples, not 3"):
        precision_recall(x, x[:3])
    with pytest.raises(ValueError, match="k must be at least 1, not 0"):
        precision_recall(x, x, k=0)
    with pytest.raises(ValueError, match="NaN or infinity"):
        precision_recall(x, torch.full((10, 3), math.nan))
    with pytest.raises(ValueError, match="3 with features of 2 dimensions"):
        precision_recall(x, x[:, :2])
    for few, message in ((x[:0], "at least 1 samples"), (x[:1], "need at least 4 samples, not 1")):
        for sets in ((few, x), (x, few)):
            with pytest.raises(ValueError, match=message):
                precision_recall(*sets)
