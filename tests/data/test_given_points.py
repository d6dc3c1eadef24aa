"""Points as arrays and tables, and what is refused of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import torch
from given_images import RNG, refused

from zerosum.data import Points, check_data, is_given, load
from zerosum.data.describe import save_picture, summary


@pytest.mark.parametrize("source", [RNG.normal(size=(50, 2)), torch.randn(50, 2).half(), np.arange(100).reshape(50, 2)])
def test_points_are_drawn_with_replacement(source: Any) -> None:
    data = load(source)
    assert isinstance(data, Points)
    check_data(data)
    x, y = data.batch(3, 4_000, seed=1)
    assert (x.shape, x.dtype, y) == ((4_000, 2), torch.float32, None)
    known = {tuple(row) for row in torch.as_tensor(source).float().tolist()}
    drawn = [tuple(row) for row in x.tolist()]
    assert set(drawn) == known
    counts = [drawn.count(row) for row in known]  # 80 of each are expected, with a deviation of 9
    assert min(counts) > 35
    assert max(counts) < 130
    assert torch.equal(x, data.batch(3, 4_000, seed=1)[0])
    assert not torch.equal(x, data.batch(4, 4_000, seed=1)[0])
    assert not torch.equal(x, data.batch(3, 4_000, seed=2)[0])
    assert not torch.equal(x, data.batch(3, 4_000, seed=1, rank=1, world=2)[0])
    assert (data.shape, data.count, data.classes, len(data.modes), data.std) == ((2,), None, (), 0, None)
    assert data.notes[0] == "points are drawn, with replacement, from 50"
    assert is_given(data)


def test_points_of_the_same_content_have_the_same_fingerprint() -> None:
    points = RNG.normal(size=(9, 2)).astype(np.float32)
    prints = [load(x).fingerprint for x in (points, torch.from_numpy(points), points.astype(np.float64), points[:8])]
    assert prints[0] == prints[1] == prints[2] != prints[3]
    assert load(points + 1).fingerprint != prints[0]


def test_points_of_a_table(tmp_path: Path) -> None:
    data = load(pandas.DataFrame({"x": [0.0, 1.0], "y": [2.0, 3.0]}))
    assert data.is_points
    assert "points in the plane" in summary(data)
    save_picture(data, tmp_path / "x.png")


@pytest.mark.parametrize("scale", [1e-3, 100.0])
def test_points_that_are_far_from_standard_are_noted(scale: float) -> None:
    assert "standard deviation" in load(RNG.normal(size=(99, 2)) * scale).notes[1]
    assert len(load(RNG.normal(size=(99, 2))).notes) == 1


@pytest.mark.parametrize(
    ("source", "options", "part"),
    [
        (np.array([[0, 1], [np.nan, 0.0]]), {}, "array: point 1 holds NaN or infinity"),
        (np.full((3, 2), 1e300), {}, "beyond the numbers of float32"),
        (np.zeros((0, 2)), {}, "shape (0, 2) is not read"),
        (np.zeros((3, 2), bool), {}, "points are bool"),
        (np.zeros((3, 2)), {"labels": [0, 1, 2]}, "labels: points in the plane have no classes"),
        (np.zeros((3, 2)), {"size": 32}, "size and channels do not apply"),
        (np.zeros((3, 2)), {"channels": 1}, "size and channels do not apply"),
    ],
)
def test_points_that_make_no_sense(source: Any, options: dict[str, Any], part: str) -> None:
    assert part in refused(source, **options)
