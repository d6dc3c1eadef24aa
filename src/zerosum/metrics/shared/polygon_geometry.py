"""Triangles as images: exact coverage of pixels, its derivative, and which triangles there are to search among."""

import math

import torch
from torch import Tensor

from zerosum.data.polygons import GAP, RADIUS

# Area of the smallest triangle of the data: neighbouring corners are GAP, 120 and 240 - GAP degrees apart.
LEAST_AREA = RADIUS**2 / 2 * sum(math.sin(math.radians(angle)) for angle in (GAP, 120, 240 - GAP))
_FLAT = 1e-6  # below this difference of two crossings, in pixels, an edge counts as vertical


def coverage(corners: Tensor, size: int) -> Tensor:
    """Exact share of each pixel inside polygons, differentiable in their corners.

    Args:
        corners: Corners ``(B, K, 2)`` in pixels, x before y, float64; pixel (0, 0) is the unit square at the origin. In
            the order in which the area (:func:`area`) is positive, and not self-crossing.
        size: Side of the images, in pixels; what lies outside is cut off.

    Returns:
        Shares ``(B, size, size)``, rows first, each in [0, 1] up to rounding.
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


def are_allowed(corners: Tensor, size: int) -> Tensor:
    """Which ``(B,)`` of the triangles ``(B, 3, 2)`` belong to the study's manifold.

    They have any corners inside the image, and are no smaller than the smallest of the data: without a least area an
    empty image would be a perfect triangle.
    """
    inside = ((corners >= 0) & (corners <= size)).flatten(1).all(dim=1)
    # A hair of room, as the smallest triangle of the data is itself computed with rounding.
    large: Tensor = area(corners) >= LEAST_AREA * (1 - 1e-9)
    return inside & large
