"""The one entry: which scores for which data, true samplers against the chi-square law, and what is refused."""

import math

import numpy as np
import pytest
import scipy.stats
import torch
from metric_helpers import as_images

from zerosum.core.random import generator
from zerosum.data.images import Images
from zerosum.data.points import Points, grid, ring, swiss_roll
from zerosum.metrics import defaults_for, evaluate, why_not


@pytest.mark.parametrize("data", [ring(), grid()], ids=["ring", "grid"])
def test_true_samples_of_a_mixture(data: Points) -> None:
    everything = data.draw(20_000, generator("test"))
    scores = evaluate(lambda start, n: everything[start : start + n], data, seed=4, count=20_000, extra={"step": 10})
    modes, quality, divergence = scores
    assert [score.name for score in scores] == ["modes", "high_quality", "mode_kl"]
    assert modes.value == modes.protocol["of"] == len(data.modes)
    expected = scipy.stats.chi2.cdf(9, df=2)
    assert quality.details["ideal"] == pytest.approx(expected, abs=1e-12)
    assert quality.value == pytest.approx(expected, abs=5 * math.sqrt(expected * (1 - expected) / 20_000))
    assert divergence.value < scipy.stats.chi2.ppf(0.9999, df=len(data.modes) - 1) / 40_000
    assert (modes.protocol["samples"], modes.protocol["seed"], modes.protocol["step"]) == (20_000, 4, 10)
    assert modes.short() == f"modes {len(data.modes)} of {len(data.modes)} (20,000 generated vs {data.name}, seed 4)"


def test_a_collapsed_generator_covers_one_mode() -> None:
    data = ring()
    modes, quality, divergence = evaluate(lambda _, n: data.modes[3].expand(n, 2), data, seed=0)
    assert modes.protocol["samples"] == 2500
    assert (modes.value, quality.value) == (1, 1)
    assert modes.details["mode 3"] == 2500
    assert divergence.value == pytest.approx(math.log(8))


def test_images_of_clothes(clothes: Images) -> None:
    images = as_images(clothes.pixels)
    scores = evaluate(lambda start, n: images[start : start + n], clothes, seed=0, count=100)
    assert [score.name for score in scores] == ["fd_fashion", "fd_fashion_floor", "classes"]


def test_data_without_a_score() -> None:
    tiny = Images.of(np.zeros((8, 8, 8, 3), np.uint8), name="tiny")
    few = Images.of(np.zeros((3, 32, 32, 1), np.uint8), name="few")
    for data, reason in ((tiny, "8x8"), (few, "3 images"), (swiss_roll(), "not a mixture of known modes")):
        assert reason in str(why_not(data))
        assert evaluate(lambda start, n: torch.zeros(0), data, seed=0) == []
    assert why_not(ring()) is None
    assert defaults_for(Images.of(np.zeros((8, 32, 32, 3), np.uint8), name="colour")) == ("fd_random", "ms-ssim")
    assert why_not(Images.of(np.zeros((4, 32, 32, 1), np.uint8), name="enough")) is None
    smallest, narrow = (Images.of(np.zeros((8, side, side, 3), np.uint8), name="small") for side in (11, 10))
    assert defaults_for(smallest) == ("fd_random", "ms-ssim")
    assert "measures need 11 pixels a side" in str(why_not(narrow))


def test_samples_that_are_not_finite_are_refused(clothes: Images) -> None:
    def broken_later(start: int, n: int) -> torch.Tensor:
        images = torch.zeros(n, 1, 32, 32)
        if start == 250:
            images[3, 0, 5, 5], images[9, 0, 0, 0] = math.nan, math.inf
        return images

    with pytest.raises(ValueError, match="2 of samples 250 to 499 hold NaN or infinity"):
        evaluate(broken_later, clothes, seed=0)
    with pytest.raises(ValueError, match="NaN or infinity"):
        evaluate(lambda _, n: torch.full((n, 2), math.nan), ring(), seed=0)


def test_samples_of_wrong_form_are_refused(clothes: Images) -> None:
    with pytest.raises(ValueError, match=r"shape \(250, 3, 32, 32\), but the data need \(250, 1, 32, 32\)"):
        evaluate(lambda _, n: torch.zeros(n, 3, 32, 32), clothes, seed=0)
    with pytest.raises(ValueError, match="floating-point output"):
        evaluate(lambda _, n: torch.zeros(n, 1, 32, 32, dtype=torch.uint8), clothes, seed=0)
    with pytest.raises(ValueError, match=r"shape \(7, 2\)"):
        evaluate(lambda _, n: torch.zeros(7, 2), ring(), seed=0)


def test_counts_that_cannot_be(clothes: Images) -> None:
    with pytest.raises(ValueError, match="between 2 and 600"):
        evaluate(lambda _, n: torch.zeros(n, 1, 32, 32), clothes, seed=0, count=601)
    with pytest.raises(ValueError, match="at least 1"):
        evaluate(lambda _, n: torch.zeros(n, 2), ring(), seed=0, count=0)


def test_extra_facts_cannot_contradict_the_measurement() -> None:
    with pytest.raises(ValueError, match="already states seed"):
        evaluate(lambda _, n: torch.zeros(n, 2), ring(), seed=0, extra={"seed": 1})
