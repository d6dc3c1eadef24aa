"""Transport: what the notes' table says, what it cannot say, and the price of entropy."""

import math
from itertools import permutations, product

import numpy as np
import pytest

from zerosum.lab import Findings, Lab, find
from zerosum.lab.experiments.transport import boxes, completions


@pytest.fixture(scope="module")
def found() -> Findings:
    return find("transport").run(Lab(), points=6, smallest=0.01)


def test_printed_plans_have_the_boxes_marginals_but_not_under_the_printed_labels() -> None:
    table = boxes()
    assert table["p"].tolist() == [3, 1, 2]
    assert table["q"].tolist() == [1, 1, 2, 2]
    assert table["first"].tolist() == [[1, 0, 0, 2], [0, 1, 0, 0], [0, 0, 2, 0]]
    assert table["last row fits"]
    assert not table["labels fit"]


def test_last_row_leaves_three_plans() -> None:
    plans = boxes()["seconds"]
    assert [plan.tolist() for plan in plans] == [
        [[0, 0, 1, 2], [1, 0, 0, 0], [0, 1, 1, 0]],
        [[1, 0, 0, 2], [0, 0, 1, 0], [0, 1, 1, 0]],
        [[1, 0, 1, 1], [0, 0, 0, 1], [0, 1, 1, 0]],
    ]
    assert completions(np.array([3.0, 0, 0, 0]), np.array([3.0, 1, 2]), np.array([1.0, 1, 2, 2])) == []


def test_every_plan_of_the_boxes_ties_at_42_and_squares_break_the_tie() -> None:
    table = boxes()
    assert table["costs"] == [42]
    assert table["least"] == pytest.approx(42)
    # By brute force: six boxes at 1, 1, 1, 2, 3, 3, each to one of the six targets.
    least = min(
        sum((a - b) ** 2 for a, b in zip((1, 1, 1, 2, 3, 3), to, strict=True))
        for to in permutations((7, 8, 9, 9, 10, 10))
    )
    assert table["least squared cost"] == pytest.approx(least)
    assert min(table["squared costs"]) > table["least squared cost"]
    assert table["monotone"].tolist() == [[1, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 2]]


def test_five_units_are_two_two_and_one(found: Findings) -> None:
    five = found.numbers["five units"]
    assert five["steps"] == [2, 2, -1]
    assert five["sum"] == 5
    moved = sum(five["plan"][i][j] * abs(i - j) for i, j in product(range(4), range(4)))
    assert moved == pytest.approx(5)


def test_dual_is_the_primal(found: Findings) -> None:
    assert found.numbers["points"]["dual"] == pytest.approx(found.numbers["points"]["primal"], abs=1e-9)


def test_sinkhorn_comes_down_to_the_linear_program_in_more_iterations(found: Findings) -> None:
    steps = found.numbers["sinkhorn"]
    excess = [one["excess"] for one in steps]
    assert sorted(excess, reverse=True) == excess
    assert 0 <= excess[-1] < 0.2 * excess[0]
    for one in steps:  # the entropy that is paid for lies between log n and 2 log n
        assert one["excess"] <= one["eps"] * math.log(6)
    assert steps[-1]["iterations"] > 5 * steps[0]["iterations"]
    assert set(found.figures) == {"boxes", "five-units", "points", "sinkhorn"}
