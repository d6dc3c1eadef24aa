"""Memorisation: scipy's Mann-Whitney statistic; who is flagged and who is not."""

import math
from functools import partial

import metric_helpers
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu
from torch import Tensor

from zerosum.metrics.measures.memorisation import mann_whitney, memorisation

normal = partial(metric_helpers.normal, dimensions=8)


TRAIN, HELD_OUT = normal(600, seed=0), normal(400, seed=1)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 40), st.sampled_from([2, 5, 1000]))
def test_mann_whitney_equals_scipy(seed: int, n: int, m: int, values: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, values, n).astype(float), rng.integers(0, values, m).astype(float)
    u, z = mann_whitney(torch.from_numpy(a), torch.from_numpy(b))
    assert u == (a[:, None] > b).sum() + (a[:, None] == b).sum() / 2
    if len(np.unique(np.concatenate([a, b]))) == 1:
        assert z == 0
        return
    expected = mannwhitneyu(a, b, alternative="less", method="asymptotic", use_continuity=False)
    assert u == expected.statistic
    assert math.erfc(-z / math.sqrt(2)) / 2 == pytest.approx(expected.pvalue, rel=1e-9)


def test_the_report_is_made_of_distances_to_the_training_set() -> None:
    fake = normal(50, seed=2) * 0.7
    report = memorisation(TRAIN, HELD_OUT, fake, quantile=0.1)

    def distances(a: Tensor, b: Tensor) -> np.ndarray:
        return np.array([np.sqrt(((row - b.double().numpy()) ** 2).sum(axis=1).min()) for row in a.double().numpy()])

    to_train, fresh = distances(fake, TRAIN), distances(HELD_OUT, TRAIN)
    expected = mannwhitneyu(to_train, fresh, alternative="less", method="asymptotic", use_continuity=False)
    assert report.p_value == pytest.approx(expected.pvalue, rel=1e-6)
    assert report.near_train == (to_train < np.sort(fresh)[39]).mean()
    to_held_out, control = distances(fake, HELD_OUT), distances(TRAIN, HELD_OUT)
    assert report.near_held_out == (to_held_out < np.sort(control)[59]).mean()
    assert report.duplicates == 0


@pytest.mark.parametrize("noise", [0.0, 1e-4, 0.1])
def test_a_generator_that_stores_its_training_set_is_flagged(noise: float) -> None:
    chosen = torch.randint(600, (500,), generator=torch.Generator().manual_seed(3))
    report = memorisation(TRAIN, HELD_OUT, TRAIN[chosen] + noise * normal(500, seed=4))
    assert report.flagged
    assert report.z < -20
    assert report.p_value < 1e-80
    assert report.near_train == 1
    assert report.near_held_out < 0.15
    assert report.duplicates == (1 if noise == 0 else 0)
    assert report.short().startswith("copies its training set: 100.0% near training samples")


def test_one_training_image_for_ever_is_flagged() -> None:
    assert memorisation(TRAIN, HELD_OUT, TRAIN[7:8].repeat(300, 1)).flagged


def test_one_copy_in_seven_is_flagged() -> None:
    report = memorisation(TRAIN, HELD_OUT, torch.cat([TRAIN[:100], normal(600, seed=5)]))
    assert report.flagged
    assert report.duplicates == pytest.approx(1 / 7)


def test_fresh_samples_are_not_flagged_and_their_p_values_are_uniform() -> None:
    reports = [
        memorisation(normal(150, seed=3 * i), normal(100, seed=3 * i + 1), normal(100, seed=3 * i + 2))
        for i in range(1000, 1100)
    ]
    assert not any(r.flagged for r in reports)
    p = np.array([r.p_value for r in reports])
    # Standard errors of 0.03: four of them.
    assert abs(p.mean() - 0.5) < 0.12
    assert abs((p < 0.1).mean() - 0.1) < 0.12
    assert np.mean([r.near_train for r in reports]) == pytest.approx(0.05, abs=0.02)
    assert np.mean([r.near_held_out for r in reports]) == pytest.approx(0.05, abs=0.02)


def test_far_noise_is_not_copying() -> None:
    report = memorisation(TRAIN, HELD_OUT, 100 + 30 * normal(300, seed=6))
    assert not report.flagged
    assert report.z > 10
    assert report.near_train == report.near_held_out == 0
    assert report.short().startswith("no sign of copying")


def test_typical_samples_alone_are_close_to_all_data_and_not_flagged() -> None:
    # Shrunk towards the mean: nearer to training samples than fresh data are, and to held-out samples just as much.
    report = memorisation(TRAIN, HELD_OUT, 0.5 * normal(500, seed=7))
    assert report.z < -10
    assert not report.flagged


def test_copies_of_held_out_samples_are_not_flagged() -> None:
    assert not memorisation(TRAIN, HELD_OUT, HELD_OUT[:300]).flagged


def test_order_and_cap_change_nothing() -> None:
    fake = torch.cat([TRAIN[:50], normal(100, seed=8)])
    usual = memorisation(TRAIN, HELD_OUT, fake)
    assert usual == memorisation(TRAIN.flip(0).double(), HELD_OUT.flip(0).double(), fake.flip(0).double(), memory_mib=9)


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="needs at least 20 training and held-out samples, not 600 and 19"):
        memorisation(TRAIN, HELD_OUT[:19], TRAIN)
    with pytest.raises(ValueError, match="quantile must lie between 0 and 1, not 0"):
        memorisation(TRAIN, HELD_OUT, TRAIN, quantile=0)
    with pytest.raises(ValueError, match="level must lie"):
        memorisation(TRAIN, HELD_OUT, TRAIN, level=math.nan)
    with pytest.raises(ValueError, match="at least 2 samples"):
        memorisation(TRAIN, HELD_OUT, TRAIN[:1])
    with pytest.raises(ValueError, match="8 with features of 4 dimensions"):
        memorisation(TRAIN, HELD_OUT, TRAIN[:, :4])
    with pytest.raises(ValueError, match="NaN"):
        memorisation(TRAIN, HELD_OUT * math.nan, TRAIN)
    with pytest.raises(ValueError, match="values on both sides, not 0 and 2"):
        mann_whitney(torch.zeros(0), torch.zeros(2))
