"""Squared distances between all pairs of two sets, tile by tile within a memory cap, as bounds from one product.

The squared distances of a tile of pairs come from one float32 matrix product, |x|^2 + |y|^2 - 2 x.y. That product loses
digits by cancellation, but by no more than a proven share of |x|^2 + |y|^2. The product is taken with the norms less
this share, so that what comes out are lower bounds; upper bounds are twice the share above them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from zerosum.metrics.shared.arithmetic import plain_float32

CHUNK = 2**18  # elements that are looked at in float64 at a time: they stay in the cache
LANES = 32  # neighbouring pairs that are looked at together: most groups are dismissed by their minimum
UNDERFLOW = 1e-30  # what squares that underflow may add to a distance, in a frame's units
_PAIR_BYTES = 128  # of a tile, per pair, when every pair has to be listed
_ROW_BYTES = 24  # of a tile, per element of a row: float64, float32, and the product's operand
_CPU_SIDE, _GPU_SIDE = 1024, 8192  # tiles that the cache of a CPU holds, and that fill a GPU
_ROUNDING = 2.0**-24  # unit roundoff of float32


class Coordinates(NamedTuple):
    """Where coordinates start, and the power of 2 that brings them to about 1; both keep the product's error small.

    Attributes:
        centre: Start of the coordinates, (D,): float32 where points are taken to it in float32, otherwise float64.
        scale: The power of 2.
    """

    centre: Tensor
    scale: float

    @property
    def share(self) -> float:
        """Share of |x|^2 + |y|^2 by which a product is off at most.

        With n = D + 2 terms of one inner product in float32, summed in any order, and each coordinate and norm rounded
        once, the error is at most (2 n + 4) u (|x|^2 + |y|^2) to first order in u.
        """
        return 1.01 * (2 * (len(self.centre) + 2) + 4) * _ROUNDING

    def norms(self, points: Tensor) -> Tensor:
        """Squared norms of points (N, D) in this frame, (N,) float64."""
        parts = torch.split(points, max(1, CHUNK // points.shape[1]))
        return torch.cat([self._exact(part).square_().sum(1) for part in parts])

    def operand(self, points: Tensor, norms: Tensor, side: int) -> Tensor:
        """Rows (x, 1, |x|^2 less its share) of points, float32 (side, D + 2); beyond them, infinitely far ones."""
        n, dimensions = points.shape
        rows = torch.empty(side, dimensions + 2, device=points.device)
        if self.centre.dtype == torch.float32:
            # One rounding, as the power of 2 makes none.
            torch.sub(points, self.centre, out=rows[:n, :dimensions])
            rows[:n, :dimensions] *= self.scale
        else:
            rows[:n, :dimensions] = self._exact(points)
        rows[n:, :dimensions], rows[:, dimensions] = 0, 1
        rows[:n, dimensions + 1], rows[n:, dimensions + 1] = norms * (1 - self.share), math.inf
        return rows

    def upper(self, lower: Tensor, reach: Tensor) -> Tensor:
        """Upper bounds, float64, of the squared distances of pairs.

        Args:
            lower: Their lower bounds, of any shape.
            reach: |x|^2 + |y|^2 of each, float64.
        """
        return reach.mul(2 * self.share).add_(lower).add_(UNDERFLOW)

    def _exact(self, points: Tensor) -> Tensor:
        return points.to(torch.float64).sub(self.centre).mul_(self.scale)


class Tile(NamedTuple):
    """Bounds of the squared distances of points ``row``.. of one set from points ``column``.. of another.

    Tiles are of equal size: beyond a set's end all is infinitely far. The numbers are in a frame's units.

    Attributes:
        row: First point of the one set.
        column: First point of the other.
        lower: Lower bounds up to ``UNDERFLOW``, (b, c) float32.
        norms: Squared norms of all points of both sets, (N,) and (M,) float64.
    """

    row: int
    column: int
    lower: Tensor
    norms: tuple[Tensor, Tensor]

    @property
    def transposed(self) -> Tile:
        """The same of the other set from the one."""
        return Tile(self.column, self.row, self.lower.T, self.norms[::-1])

    def below(self, limits: Tensor, minima: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Points (of the one set, of the other, lower bounds) of pairs whose bounds do not exceed their rows' limits.

        They are sorted by the point of the one set, then of the other.

        Args:
            limits: One limit for each row, (b,) float32.
            minima: What :func:`group_minima` says, if it is known.
        """
        minima = group_minima(self.lower) if minima is None else minima
        limits = limits.clamp(max=torch.finfo(torch.float32).max)[:, None]
        row, group = (minima <= limits).nonzero(as_tuple=True)
        values = self.lower.view(len(self.lower), -1, LANES)[row, group]
        hit, lane = (values <= limits[row]).nonzero(as_tuple=True)
        return row[hit] + self.row, group[hit] * LANES + lane + self.column, values[hit, lane]


def coordinates_of(*sets: Tensor) -> Coordinates:
    """The frame around the middle of the sets' means. Any centre is right, so rounding it is too.

    Raises:
        ValueError: The features have no squared distances in float64.
    """
    centre = torch.stack([points.mean(0).to(torch.float64) for points in sets]).mean(0)
    narrow = all(points.dtype != torch.float64 for points in sets)
    if narrow:
        centre = centre.to(torch.float32)
    reach = max(
        float((points.amax(0) - centre.double()).max().maximum((centre.double() - points.amin(0)).max()))
        for points in sets
    )
    if reach == 0:
        return Coordinates(centre, 1.0)
    if not 1e-140 < reach < 1e140:
        raise ValueError(f"features spread by {reach:g} have no squared distances in float64: rescale them")
    if not 1e-30 < reach < 1e30:  # too far for differences in float32, or for a power of 2
        centre = centre.to(torch.float64)
    return Coordinates(centre, 2.0 ** -math.frexp(reach)[1])


def tile_side(count: int, dimensions: int, device: torch.device, memory_mib: float) -> int:
    """Points on a side of a tile: as many as the cap allows, a multiple of the lanes, in tiles of about equal size.

    Raises:
        ValueError: The cap is too small.
    """
    cap = _cap(memory_mib)
    if not _cost(LANES, LANES, dimensions) <= cap:
        least = math.ceil((_cost(LANES, LANES, dimensions) + 32 * CHUNK) / 2**20)
        raise ValueError(f"memory_mib={memory_mib:g} is too little for {dimensions} dimensions: allow at least {least}")
    side = _CPU_SIDE if device.type == "cpu" else _GPU_SIDE
    while _cost(side, side, dimensions) > cap:
        side //= 2
    equal = math.ceil(count / math.ceil(count / side))
    return math.ceil(equal / LANES) * LANES


def _cap(memory_mib: float) -> float:
    return memory_mib * 2**20 - 32 * CHUNK


def _cost(high: int, wide: int, dimensions: int) -> int:
    """Bytes that a tile takes with its rows."""
    return _PAIR_BYTES * high * wide + _ROW_BYTES * (high + wide) * (dimensions + 2)


def tiles(
    x: Tensor,
    y: Tensor,
    frame: Coordinates,
    norms: tuple[Tensor, Tensor],
    memory_mib: float,
    *,
    symmetric: bool = False,
) -> Iterator[Tile]:
    """All tiles of x against y, row by row. The memory of a tile is that of the next one.

    Args:
        x: Points of one set, (N, D).
        y: Points of the other, (M, D).
        frame: Coordinates for both.
        norms: What :meth:`Coordinates.norms` says of each.
        memory_mib: Working memory in MiB. What the tiles themselves do not need holds operands that come again.
        symmetric: Whether the sets are one and the same, of which only tiles on and above the diagonal are wanted.

    Raises:
        ValueError: The cap is too small.
    """
    dimensions = x.shape[1]
    high, wide = (tile_side(len(points), dimensions, x.device, memory_mib) for points in (x, y))
    room = (_cap(memory_mib) - _cost(high, wide, dimensions)) // (4 * wide * (dimensions + 2))
    kept: dict[int, Tensor] = {}

    def right_of(column: int) -> Tensor:
        if column in kept:
            return kept[column]
        part = slice(column, column + wide)
        operand = frame.operand(y[part], norms[1][part], wide)
        if len(kept) < room:
            kept[column] = operand
        return operand

    lower = torch.empty(high, wide, device=x.device)
    for row in range(0, len(x), high):
        part = slice(row, row + high)
        left = frame.operand(x[part], norms[0][part], high)
        left[:, :-2] *= -2
        left[:, -2:] = left[:, -2:].flip(1)
        for column in range(row if symmetric else 0, len(y), wide):
            with plain_float32(x.device):
                torch.mm(left, right_of(column).T, out=lower)
            yield Tile(row, column, lower, norms)
        if symmetric:
            kept.pop(row, None)


def group_minima(values: Tensor) -> Tensor:
    """The smallest of each group of lanes of a row: (b, c) -> (b, c / lanes)."""
    if values.is_contiguous():
        return values.view(len(values), -1, LANES).amin(2)
    # A transposed tile: the same, but ten times faster, by reducing what lies in memory as rows.
    return values.T.view(-1, LANES, len(values)).amin(1).T


def pad(values: Tensor, start: int, side: int, filling: float) -> Tensor:
    """Rows ``start`` .. of values, ``side`` of them, with ``filling`` where there are no more."""
    part = values[start : start + side]
    return torch.nn.functional.pad(part, (0, side - len(part)), value=filling)
