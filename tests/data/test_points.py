import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from zerosum.data import DataError, Points, load
from zerosum.data.points import roll

N = 20_000


def points(name: str) -> Points:
    data = load(name)
    assert isinstance(data, Points)
    return data


def test_the_ring_has_eight_distinct_modes_of_radius_two() -> None:
    data = points("ring")
    # The eighth roots of unity, from numpy's polynomial solver.
    roots = 2 * np.roots([1, 0, 0, 0, 0, 0, 0, 0, -1])
    modes = data.modes.numpy()
    assert modes.shape == (8, 2)
    distance = np.abs((modes[:, 0] + 1j * modes[:, 1])[:, None] - roots)
    assert (distance.min(0) < 1e-6).all()
    assert (distance.min(1) < 1e-6).all()
    assert data.std == 0.02


def test_the_grid_is_the_one_of_the_wgan_gp_toy() -> None:
    data = points("grid")
    expected = {(round(2 * a / 2.828, 4), round(2 * b / 2.828, 4)) for a in range(-2, 3) for b in range(-2, 3)}
    assert {(round(a, 4), round(b, 4)) for a, b in data.modes.tolist()} == expected
    assert data.std == pytest.approx(0.05 / 2.828)


@pytest.mark.parametrize("name", ["ring", "grid"])
def test_mixtures_have_equal_weights_and_gaussian_residuals(name: str) -> None:
    data = points(name)
    x = data.batch(0, N, seed=0)[0].double()
    nearest = torch.cdist(x, data.modes.double()).argmin(1)
    assert stats.chisquare(np.bincount(nearest, minlength=len(data.modes))).pvalue > 1e-4
    residual = ((x - data.modes.double()[nearest]) / data.std).numpy()
    assert stats.kstest(residual[:, 0], "norm").pvalue > 1e-4
    assert stats.kstest(residual[:, 1], "norm").pvalue > 1e-4


def test_the_swiss_roll_is_scikit_learn_s() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    clean, t = datasets.make_swiss_roll(200, noise=0.0, random_state=0)
    np.testing.assert_allclose(roll(torch.from_numpy(t)).numpy(), clean[:, [0, 2]] / 7.5, atol=1e-12)
    theirs = datasets.make_swiss_roll(N, noise=0.25, random_state=1)[0][:, [0, 2]] / 7.5
    ours = points("swiss-roll").batch(0, N, seed=0)[0].numpy()
    for direction in ([1, 0], [0, 1], [0.6, 0.8]):
        assert stats.ks_2samp(ours @ direction, theirs @ direction).pvalue > 1e-4
    radius = stats.ks_2samp(np.hypot(*ours.T), np.hypot(*theirs.T))
    assert radius.pvalue > 1e-4


@given(seed=st.integers(0, 2**31), rank=st.integers(0, 7), k=st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_batches_are_pure_and_differ_between_ranks_and_numbers(seed: int, rank: int, k: int) -> None:
    data = points("ring")
    x, y = data.batch(k, 16, seed=seed, rank=rank, world=8)
    assert y is None
    assert (x.shape, x.dtype) == ((16, 2), torch.float32)
    assert torch.equal(x, points("ring").batch(k, 16, seed=seed, rank=rank, world=8)[0])
    assert not torch.equal(x, data.batch(k + 1, 16, seed=seed, rank=rank, world=8)[0])
    assert not torch.equal(x, data.batch(k, 16, seed=seed, rank=(rank + 1) % 8, world=8)[0])
    assert not torch.equal(x, data.batch(k, 16, seed=seed + 1, rank=rank, world=8)[0])


def test_points_say_what_they_are() -> None:
    ring, grid, swiss = points("ring"), points("grid"), points("swiss-roll")
    assert all(data.is_points and data.count is None and data.classes == () for data in (ring, grid, swiss))
    assert len({ring.fingerprint, grid.fingerprint, swiss.fingerprint}) == 3
    assert swiss.modes.shape == (0, 2)
    assert swiss.std is None


@pytest.mark.parametrize("options", [{"size": 32}, {"channels": 1}, {"split": "test"}])
def test_points_refuse_what_only_images_have(options: dict[str, object]) -> None:
    with pytest.raises(DataError, match="ring"):
        load("ring", **options)  # type: ignore[arg-type]
