"""Counted modes against hand-made histograms and scipy's relative entropy."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy

from zerosum.metrics.shared.mode_counting import count_modes


def test_by_hand() -> None:
    # 2, 1, 0 and 1 of four equal modes: 1/2 log 2 + 1/4 log 1 + 1/4 log 1.
    found = count_modes(torch.tensor([0, 3, 0, 1]), 4)
    assert (found.samples, found.modes, found.covered) == (4, 4, 3)
    assert found.divergence == pytest.approx(math.log(2) / 2)


def test_the_extremes() -> None:
    assert count_modes(torch.full((26_000,), 7), 1000).divergence == pytest.approx(math.log(1000))
    even = count_modes(torch.arange(1000).repeat(3), 1000)
    assert (even.covered, even.divergence) == (1000, 0.0)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=60),
    st.lists(st.integers(1, 30), min_size=6, max_size=6),
    st.randoms(use_true_random=False),
)
def test_against_scipy_in_any_order(labels: list[int], weights: list[int], rng) -> None:
    reference = torch.tensor(weights)
    found = count_modes(torch.tensor(labels), 6, reference)
    assert found.covered == len(set(labels))
    histogram = np.bincount(labels, minlength=6)
    assert found.divergence == pytest.approx(max(0, entropy(histogram, weights)), abs=1e-12)
    rng.shuffle(labels)
    again = count_modes(torch.tensor(labels, dtype=torch.int32), 6, reference / reference.sum())
    assert again.divergence == pytest.approx(found.divergence, abs=1e-6)


def test_the_reference_is_the_second_argument_of_the_divergence() -> None:
    # KL(generated || data): a mode that the generator leaves out costs little, one that the data do not have all.
    data = torch.tensor([1, 1, 0])
    assert count_modes(torch.tensor([0, 0]), 3, data).divergence == pytest.approx(math.log(2))
    assert count_modes(torch.tensor([0, 1, 2]), 3, data).divergence == math.inf


@pytest.mark.parametrize(
    ("labels", "modes", "reference", "said"),
    [
        (torch.empty(0, dtype=torch.int64), 3, None, "no samples"),
        (torch.tensor([0.0, 1.0]), 3, None, "whole numbers"),
        (torch.zeros(2, 2, dtype=torch.int64), 3, None, "whole numbers"),
        (torch.tensor([0, 3]), 3, None, "0 .. 2, not 0 .. 3"),
        (torch.tensor([-1, 0]), 3, None, "not -1 .. 0"),
        (torch.tensor([0]), 0, None, "at least 1 mode"),
        (torch.tensor([0]), 3, torch.ones(2), "to each of 3 modes"),
        (torch.tensor([0]), 3, torch.zeros(3), "some must be above 0"),
        (torch.tensor([0]), 3, torch.tensor([1.0, -1.0, 1.0]), "not negative"),
        (torch.tensor([0]), 3, torch.tensor([1.0, math.nan, 1.0]), "finite"),
    ],
)
def test_what_is_refused(labels: torch.Tensor, modes: int, reference: torch.Tensor | None, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        count_modes(labels, modes, reference)
