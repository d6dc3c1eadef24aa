"""Random triangles: images whose manifold is known, so that distances to it can be computed."""

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from zerosum.core.random import generator
from zerosum.data.arrays import from_arrays
from zerosum.data.ask import Ask
from zerosum.data.images import Images, Pixels
from zerosum.data.sources import Source

SOURCES = (
    Source(
        "triangles", "60,000 + 10,000 random triangles, black on white, 28 x 28 padded to 32", place=70, splits=True
    ),
)
CORNERS = 3
SIZE = 28
SUBPIXELS = 8
RADIUS = 0.75 * SIZE / 2  # of the circle on which the corners lie, in pixels
GAP = 20.0  # least angle between neighbouring corners, seen from the circle's centre, in degrees
COUNTS = {"train": 60_000, "test": 10_000}
_CHUNK = 1_000
_WHITE = 255


def draw_angles(n: int, rng: torch.Generator) -> Tensor:
    """Angles ``(n, 3)``, float64, at which random triangles have their corners on a circle.

    One corner in each third of the circle, uniform there but for the last ``GAP``, so that neighbours are at least that
    far apart; a rotation uniform over the full circle.
    """
    third = 360.0 / CORNERS
    within = torch.rand(n, CORNERS, generator=rng, dtype=torch.float64) * (third - GAP)
    turn = torch.rand(n, 1, generator=rng, dtype=torch.float64) * 360.0
    return torch.deg2rad(third * torch.arange(CORNERS) + within + turn)


def inscribe(angles: Tensor, size: int = SIZE) -> Tensor:
    """Corners ``(n, k, 2)`` in pixels, x before y, at angles ``(n, k)`` on the circle, shifted to the image's middle.

    Args:
        angles: Angles of the corners.
        size: Side of the images, in pixels; the mean of the corners comes to the middle.
    """
    corners = RADIUS * torch.stack([angles.cos(), angles.sin()], dim=2)
    return corners - corners.mean(dim=1, keepdim=True) + size / 2


def draw_corners(n: int, rng: torch.Generator) -> Tensor:
    """Corners ``(n, 3, 2)`` in pixels, x before y, of random triangles in 28 x 28 images; see :func:`draw_angles`."""
    # Rounded, so that cosines which differ in their last bit between machines give the same subpixels.
    return inscribe(draw_angles(n, rng)).round(decimals=9)


def rasterise(corners: Tensor) -> Pixels:
    """Black convex polygons on white: corners ``(n, k, 2)`` in pixels, any orientation -> uint8 ``(n, 28, 28)``.

    A pixel's grey is the share of its 8 x 8 subpixels whose centres lie outside.
    """
    points = corners.numpy()
    return np.concatenate([_rasterise(points[start : start + _CHUNK]) for start in range(0, len(points), _CHUNK)])


def _rasterise(corners: npt.NDArray[np.float64]) -> Pixels:
    # Along a row of subpixels a convex polygon is one interval: from the least to the greatest crossing of an edge.
    side = SIZE * SUBPIXELS
    y = (np.arange(side) + 0.5) / SUBPIXELS
    a, b = corners[:, :, None, :], np.roll(corners, -1, axis=1)[:, :, None, :]
    crosses = (a[..., 1] <= y) != (b[..., 1] <= y)
    rise = np.where(crosses, b[..., 1] - a[..., 1], 1.0)
    x = a[..., 0] + (y - a[..., 1]) / rise * (b[..., 0] - a[..., 0])
    first = np.where(crosses, x, math.inf).min(axis=1)
    last = np.where(crosses, x, -math.inf).max(axis=1)
    # Number of subpixel centres to the left of a point; none are inside where no edge crosses.
    left = np.ceil(np.clip(first, 0, SIZE) * SUBPIXELS - 0.5).astype(np.int16)
    right = np.maximum(np.ceil(np.clip(last, 0, SIZE) * SUBPIXELS - 0.5).astype(np.int16), left)
    right = np.where(crosses.any(axis=1), right, left)
    columns = np.arange(SIZE, dtype=np.int16) * SUBPIXELS
    inside = np.clip(right[..., None] - columns, 0, SUBPIXELS) - np.clip(left[..., None] - columns, 0, SUBPIXELS)
    covered = inside.reshape(len(corners), SIZE, SUBPIXELS, SIZE).sum(axis=2, dtype=np.int64)
    grey: Pixels = np.rint(_WHITE * (1 - covered / SUBPIXELS**2)).astype(np.uint8)
    return grey


def load_triangles(ask: Ask) -> Images:
    """Black triangles on white, 28 x 28 padded to 32 with white: 60,000 to train, 10,000 to test, always the same.

    Source: the data of Lucic et al. 2018, "Are GANs Created Equal? A Large-Scale Study" (arXiv:1711.10337), by the
    constants of its authors' notebook ``Convex_Polygons_Dataset``. Two slips of the notebook are not repeated: it
    converts the rotation to radians twice, so that triangles turn by 0.11 radians at most instead of a full circle; and
    it lets neighbouring corners come within half of the least angle it states. Subpixels are sampled at their centres.
    """
    corners = draw_corners(COUNTS[ask.split], generator("triangles", ask.split))
    pixels = rasterise(corners)[..., None]
    if ask.size != SIZE:
        pixels = np.pad(pixels, ((0, 0), (2, 2), (2, 2), (0, 0)), constant_values=_WHITE)
    return from_arrays(pixels, None, ask)
