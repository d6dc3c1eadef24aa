"""Triangles as images: exact coverage of pixels, its derivative, and the sets of triangles in which one can search."""

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

RADIUS, GAP = 10.5, math.radians(20)  # of the data: circle of the corners in pixels, least angle between two of them
_FLAT = 1e-6  # below this difference of two crossings, in pixels, an edge counts as vertical


def coverage(corners: Tensor, size: int) -> Tensor:
    """Exact share of each pixel inside polygons, differentiable in their corners.

    Args:
        corners: (B, K, 2) in pixels, x before y, float64; pixel (0, 0) is the unit square at the origin. In the order
            in which the area (:func:`area`) is positive, and not self-crossing.
        size: side of the images in pixels; what lies outside is cut off.

    Returns:
        (B, size, size), rows first, each in [0, 1] up to rounding.
    """
    # Green: a pixel's share is the sum over edges of the integral, along y within the row, of the part of the pixel
    # that lies to the left of the edge: clamp(x(y) - column, 0, 1).
    pixel = torch.arange(size, dtype=corners.dtype, device=corners.device)
    a, b = corners.unsqueeze(2), corners.roll(-1, dims=1).unsqueeze(2)
    y0, y1 = (torch.minimum(torch.maximum(end[..., 1], pixel), pixel + 1) for end in (a, b))
    rise = b[..., 1] - a[..., 1]
    level = rise.abs() < _FLAT
    slope = (b[..., 0] - a[..., 0]) / torch.where(level, 1, rise)
    x0, x1 = ((a[..., 0] + (y - a[..., 1]) * slope).unsqueeze(3) - pixel for y in (y0, y1))
    mean = _mean_clamped(x0, x1)
    height = torch.where(level, 0, y1 - y0).unsqueeze(3)
    return (height * mean).sum(dim=1)


def _mean_clamped(start: Tensor, end: Tensor) -> Tensor:
    """Mean of clamp(u, 0, 1) for u from ``start`` to ``end``, by its antiderivative."""
    upright = (end - start).abs() < _FLAT
    difference = torch.where(upright, 1, end - start)
    clamped = (start.clamp(0, 1), end.clamp(0, 1))
    integrals = [u_in.square() / 2 + (u - 1).clamp(min=0) for u, u_in in zip((start, end), clamped, strict=True)]
    return torch.where(upright, (clamped[0] + clamped[1]) / 2, (integrals[1] - integrals[0]) / difference)


def coverage_slopes(corners: Tensor, size: int) -> Tensor:
    """Derivative of :func:`coverage` by each coordinate of the corners: (B, K, 2) -> (B, K, 2, size, size).

    A pixel's share changes by what its piece of an edge sweeps: moving the end b of an edge moves its point at s (0 at
    a, 1 at b) by s times as much, so the share grows by the edge's normal times the integral of s over the piece.
    """
    pixel = torch.arange(size, dtype=corners.dtype, device=corners.device)
    edge = corners.roll(-1, dims=1) - corners
    inverse = 1 / torch.where(edge.abs() < _FLAT, _FLAT, edge)
    # Where the edge enters and leaves each column, and each row; the piece inside a pixel is where these overlap.
    near, far = ((pixel + side - corners.unsqueeze(3)) * inverse.unsqueeze(3) for side in (0, 1))
    enter, leave = torch.minimum(near, far).clamp(0, 1), torch.maximum(near, far).clamp(0, 1)
    start = torch.maximum(enter[:, :, 1, :, None], enter[:, :, 0, None, :])
    end = torch.maximum(torch.minimum(leave[:, :, 1, :, None], leave[:, :, 0, None, :]), start)
    towards = (end.square() - start.square()) / 2  # integral of s
    away = end - start - towards  # integral of 1 - s
    normal = torch.stack([edge[..., 1], -edge[..., 0]], dim=2)[..., None, None]
    return normal * away.unsqueeze(2) + (normal * towards.unsqueeze(2)).roll(1, dims=1)


def area(corners: Tensor) -> Tensor:
    """Area (B,) of polygons (B, K, 2), positive in the order of rising angle; the shoelace formula."""
    following = corners.roll(-1, dims=1)
    return (corners[..., 0] * following[..., 1] - corners[..., 1] * following[..., 0]).sum(dim=1) / 2


def inscribed(angles: Tensor, size: int) -> Tensor:
    """Corners (B, K, 2) at angles (B, K) on the data's circle, moved so that their mean is the image's middle."""
    corners = RADIUS * torch.stack([angles.cos(), angles.sin()], dim=2)
    return corners - corners.mean(dim=1, keepdim=True) + size / 2


def draw_angles(n: int, rng: torch.Generator) -> Tensor:
    """Angles (n, 3) of random triangles by the law of the source ``triangles``, float64."""
    third = 2 * math.pi / 3
    within = torch.rand(n, 3, generator=rng, dtype=torch.float64) * (third - GAP)
    return third * torch.arange(3) + within + 2 * math.pi * torch.rand(n, 1, generator=rng, dtype=torch.float64)


class Manifold(Protocol):
    """A set of triangles with coordinates in which one can move."""

    @property
    def name(self) -> str:
        """For people and protocols."""

    def coordinates(self, angles: Tensor, size: int) -> Tensor:
        """Coordinates (B, P) of the inscribed triangles with these angles (B, 3)."""

    def corners(self, coordinates: Tensor, size: int) -> Tensor:
        """Corners (B, 3, 2) in pixels."""

    def along(self, slopes: Tensor, coordinates: Tensor) -> Tensor:
        """Derivatives by the corners (B, 3, 2, ...) to derivatives by the coordinates (B, P, ...)."""

    def allows(self, coordinates: Tensor, size: int) -> Tensor:
        """Which (B,) of the coordinates belong to the set."""


@dataclass(frozen=True)
class AnyTriangle:
    """Triangles with any corners inside the image, no smaller than the smallest of the data: the study's manifold.

    Without a least area an empty image would be a perfect triangle. Coordinates: the six of the corners.
    """

    least_area: float = RADIUS**2 / 2 * (math.sin(GAP) + math.sin(math.pi * 2 / 3) + math.sin(math.pi * 4 / 3 - GAP))
    name: str = "any triangle"

    def coordinates(self, angles: Tensor, size: int) -> Tensor:
        """The corners in one row: (B, 6)."""
        return inscribed(angles, size).flatten(1)

    def corners(self, coordinates: Tensor, size: int) -> Tensor:
        """The corners: (B, 3, 2)."""
        return coordinates.view(-1, 3, 2)

    def along(self, slopes: Tensor, coordinates: Tensor) -> Tensor:
        """The same, in one row."""
        return slopes.flatten(1, 2)

    def allows(self, coordinates: Tensor, size: int) -> Tensor:
        """Which are large enough and inside the image."""
        inside = ((coordinates >= 0) & (coordinates <= size)).all(dim=1)
        # A hair of room, as the smallest triangle of the data is itself computed with rounding.
        large: Tensor = area(self.corners(coordinates, size)) >= self.least_area * (1 - 1e-9)
        return inside & large


@dataclass(frozen=True)
class DataTriangle:
    """The triangles that the source can draw and no others: one size and place. Coordinates: angles on the circle."""

    name: str = "triangles of the data"

    def coordinates(self, angles: Tensor, size: int) -> Tensor:
        """The angles themselves: (B, 3)."""
        return angles

    def corners(self, coordinates: Tensor, size: int) -> Tensor:
        """The corners: (B, 3, 2)."""
        return inscribed(coordinates, size)

    def along(self, slopes: Tensor, coordinates: Tensor) -> Tensor:
        """Each corner moves along the circle, and all of them back by a third of that, as their mean stays."""
        centred = slopes - slopes.mean(dim=1, keepdim=True)
        tangent = RADIUS * torch.stack([-coordinates.sin(), coordinates.cos()], dim=2)
        return torch.einsum("bkd,bkdyx->bkyx", tangent, centred)

    def allows(self, coordinates: Tensor, size: int) -> Tensor:
        """Which keep neighbours from ``GAP`` to two thirds of the circle less ``GAP`` apart, as in the data."""
        gaps = coordinates.roll(-1, dims=1) - coordinates
        gaps = torch.cat([gaps[:, :-1], gaps[:, -1:] + 2 * math.pi], dim=1)
        return ((gaps >= GAP - 1e-9) & (gaps <= 4 * math.pi / 3 - GAP + 1e-9)).all(dim=1)
