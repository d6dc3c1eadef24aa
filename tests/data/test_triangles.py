"""Triangles against points counted by matplotlib, and their law against what it promises."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import scipy.stats
import torch
from matplotlib.path import Path

from zerosum.core.random import generator
from zerosum.data import polygons
from zerosum.data.images import Images
from zerosum.data.polygons import draw_corners, load_triangles, rasterise

Load = Callable[..., Images]


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polygons, "COUNTS", {"train": 2_000, "test": 300})


def test_pixels_are_the_subpixels_that_matplotlib_counts() -> None:
    corners = draw_corners(20, generator("raster"))
    centres = (np.arange(28 * 8) + 0.5) / 8
    places = np.stack(np.meshgrid(centres, centres), axis=2).reshape(-1, 2)
    for triangle, image in zip(corners, rasterise(corners), strict=True):
        inside = Path(np.vstack([triangle.numpy(), triangle[:1].numpy()])).contains_points(places)
        share = inside.reshape(28, 8, 28, 8).mean(axis=(1, 3))
        assert (image == np.rint(255 * (1 - share))).all()


def test_a_rectangle_by_hand() -> None:
    # Rows 4 to 6, columns 10 to 12.5: any convex polygon in either direction.
    corners = torch.tensor([[[10.0, 4.0], [12.5, 4.0], [12.5, 6.0], [10.0, 6.0]]], dtype=torch.float64)
    expected = np.full((28, 28), 255)
    expected[4:6, 10:12], expected[4:6, 12] = 0, 128
    assert (rasterise(corners)[0] == expected).all()
    assert (rasterise(corners.flip(1))[0] == expected).all()


def test_the_law() -> None:
    corners = draw_corners(4_000, generator("law"))
    torch.testing.assert_close(corners.mean(dim=1), torch.full((4_000, 2), 14.0, dtype=torch.float64))
    # The circle through three points has radius abc / (4 area); the inscribed angle is half the one at the centre.
    sides = (corners - corners.roll(-1, dims=1)).norm(dim=2)
    following = corners.roll(-1, dims=1)
    area = (corners[..., 0] * following[..., 1] - corners[..., 1] * following[..., 0]).sum(dim=1) / 2
    assert float(area.min()) > 0
    assert (sides.prod(dim=1) / (4 * area)).tolist() == pytest.approx([10.5] * 4_000)
    gaps = 2 * torch.asin(sides / 21)
    assert float(gaps.min()) > math.radians(20) - 1e-6
    assert float(gaps.min()) < math.radians(25)
    # Turned by any angle: the direction of the first corner from the middle is uniform over the circle.
    direction = torch.atan2(*(corners[:, 0] - 14).flip(1).T)
    assert scipy.stats.kstest(direction.numpy(), "uniform", args=(-math.pi, 2 * math.pi)).pvalue > 1e-3
    assert 0 <= float(corners.min()) <= float(corners.max()) <= 28


@pytest.mark.usefixtures("few")
def test_white_around_black_in_32_or_28_pixels(load_images: Load) -> None:
    padded, plain = load_images("triangles"), load_images("triangles", size=28)
    assert (padded.shape, plain.shape, padded.labels, padded.notes) == ((1, 32, 32), (1, 28, 28), None, ())
    assert (padded.pixels[:, 2:-2, 2:-2] == plain.pixels).all()
    frame = np.ones((32, 32), bool)
    frame[2:-2, 2:-2] = False
    assert (padded.pixels[:, frame] == 255).all()
    assert (plain.pixels.min(axis=(1, 2)) == 0).mean() > 0.95
    assert load_images("triangles", size=64, channels=3).shape == (3, 64, 64)


@pytest.mark.usefixtures("few")
def test_splits_are_disjoint_and_always_the_same(load_images: Load) -> None:
    train, test = load_images("triangles"), load_images("triangles", split="test")
    assert (train.count, test.count) == (2_000, 300)
    assert load_images("triangles").fingerprint == train.fingerprint
    assert train.fingerprint == "b006f489360e2ae084f3045668b0ea418695cdf4a3027b1a855e74965cddd20f"
    assert not {image.tobytes() for image in train.pixels} & {image.tobytes() for image in test.pixels}


@pytest.mark.slow
def test_the_numbers_of_the_study(load_images: Load) -> None:
    assert (load_images("triangles").count, load_images("triangles", split="test").count) == (60_000, 10_000)
    assert "arXiv:1711.10337" in (load_triangles.__doc__ or "")
