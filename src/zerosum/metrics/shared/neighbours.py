"""Nearest neighbours and balls around points: exact, tile by tile, within a memory cap.

Products in float32 bound all squared distances (``tiles.py``) and so only filter: pairs that they leave open are taken
again as sum (x - y)^2 in float64, and every result is what float64 says. So results depend neither on the tile size nor
on the device, a point equal to another is at distance 0 exactly, and ties (``<=`` against ``<``) mean what they say.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from zerosum.metrics.shared.tiles import (
    CHUNK,
    UNDERFLOW,
    Coordinates,
    Tile,
    coordinates_of,
    group_minima,
    pad,
    tile_side,
    tiles,
)

MEMORY_MIB = 512.0
_SPARE = 5  # neighbours beyond the k nearest, by their lower bounds, that are kept until bounds have shown enough
_ROUND_UP = 1 + 1e-6  # makes a limit in float32 no less than it was in float64


class Nearest(NamedTuple):
    """The nearest neighbours of N points, nearest first; equal distances in the order of the neighbours' indices.

    Attributes:
        squared: Squared Euclidean distances, (N, k) float64.
        indices: Indices of the neighbours, (N, k) int64.
    """

    squared: Tensor
    indices: Tensor


class Balls(NamedTuple):
    """One ball around each point of a set.

    Attributes:
        squared_radii: Squared radii, (N,) float64.
        closed: Whether a point at the radius is inside.
    """

    squared_radii: Tensor
    closed: bool


class Hits(NamedTuple):
    """Which points lie in which balls, counted both ways.

    Attributes:
        per_ball: Number of points inside each ball, (balls,) int64.
        per_point: Number of balls that hold each point, (points,) int64.
    """

    per_ball: Tensor
    per_point: Tensor


def check_features(*sets: Tensor, least: int = 1) -> None:
    """Refuse sets of features that cannot be measured against each other.

    Args:
        sets: Sets of features (N, D), one or more.
        least: Smallest N that will do.

    Raises:
        ValueError: A set is not a floating-point matrix, has fewer than ``least`` samples, or holds NaN or infinity; or
            sets differ in their dimensions or devices.
    """
    for features in sets:
        if features.ndim != 2 or features.shape[1] == 0 or not features.is_floating_point():
            raise ValueError(
                f"features must be a floating-point matrix (count, dimensions), not {features.dtype} of shape "
                f"{tuple(features.shape)}"
            )
        if len(features) < least:
            raise ValueError(f"at least {least} samples are needed on each side, not {len(features)}")
        # NaN and infinity show in the extremes, which take no memory; isfinite() would copy the features.
        if not bool(torch.stack([features.detach().amin(0), features.detach().amax(0)]).isfinite().all()):
            raise ValueError("features hold NaN or infinity: find the images that cause it before measuring")
        if features.shape[1] != sets[0].shape[1]:
            raise ValueError(
                f"cannot compare features of {sets[0].shape[1]} with features of {features.shape[1]} dimensions"
            )
        if features.device != sets[0].device:
            raise ValueError(f"features lie on {sets[0].device} and on {features.device}: move them to one device")


def paired_squared(x: Tensor, y: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Squared Euclidean distances of the pairs (x[rows[i]], y[columns[i]]): (P,) float64, computed as sum (x - y)^2.

    The terms are added in one fixed order, so a pair's number is the same, to the last bit, in any company, in either
    order, and on any device.
    """
    found = torch.empty(len(rows), dtype=torch.float64, device=x.device)
    size = max(1, CHUNK // x.shape[1])
    for start in range(0, len(rows), size):
        part = slice(start, start + size)
        terms = x[rows[part]].to(torch.float64).sub_(y[columns[part]].to(torch.float64)).square_()
        width = terms.shape[1]
        while width > 1:  # the second half onto the first; an odd middle stays where it is
            half = width // 2
            terms[:, :half] += terms[:, width - half : width]
            width -= half
        found[part] = terms[:, 0]
    return found


def nearest(points: Tensor, others: Tensor | None = None, *, k: int, memory_mib: float = MEMORY_MIB) -> Nearest:
    """The k nearest neighbours of each point, in Euclidean distance; exact.

    Args:
        points: Points whose neighbours are looked for, (N, D).
        others: Points that may be neighbours, (M, D); by default ``points`` themselves, where no point is its own
            neighbour, but an equal one is, at distance 0.
        k: Number of neighbours.
        memory_mib: Working memory in MiB, beside the features and the result.

    Raises:
        ValueError: The features cannot be compared, k is below 1, there are too few samples for it, or the cap is too
            small.
    """
    symmetric = others is None
    x, y = points.detach(), (points if others is None else others).detach()
    check_features(*((x,) if symmetric else (x, y)))
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    if k > len(y) - symmetric:
        raise ValueError(f"{k} nearest neighbours need at least {k + symmetric} samples, not {len(y)}")
    pairs = _Pairs(x, y, symmetric, memory_mib)
    best = _nobody(len(x), k, torch.float64, x.device)
    if symmetric:
        _place_copies(x, pairs.norms[0], best)
    rough = _find_roughly(pairs, best)
    rows = _settle(pairs, rough, best)
    _search(pairs, rows, best)
    return best


def hits(
    x: Tensor,
    y: Tensor,
    *,
    around_x: Sequence[Balls] = (),
    around_y: Sequence[Balls] = (),
    memory_mib: float = MEMORY_MIB,
) -> tuple[list[Hits], list[Hits]]:
    """Which points of one set lie in balls around the points of the other; exact, one pass for all balls.

    Args:
        x: Points of one set, (N, D).
        y: Points of the other, (M, D).
        around_x: Kinds of balls around the points of x, which hold points of y.
        around_y: Kinds of balls around the points of y, which hold points of x.
        memory_mib: Working memory in MiB, beside the features.

    Returns:
        The hits of each of ``around_x`` and of each of ``around_y``.

    Raises:
        ValueError: The features cannot be compared, or the cap is too small.
    """
    check_features(x, y)
    x, y = x.detach(), y.detach()

    def none(balls: int, points: int) -> Hits:
        return Hits(*(torch.zeros(n, dtype=torch.int64, device=x.device) for n in (balls, points)))

    in_x, in_y = [none(len(x), len(y)) for _ in around_x], [none(len(y), len(x)) for _ in around_y]
    pairs = _Pairs(x, y, False, memory_mib)
    for tile in pairs.tiles():
        if around_x:
            _count(in_x, around_x, tile, x, y, pairs.frame)
        if around_y:
            _count(in_y, around_y, tile.transposed, y, x, pairs.frame)
    return in_x, in_y


class _Pairs:
    """All pairs of points of two sets, or of one, and the bounds of their squared distances."""

    def __init__(self, x: Tensor, y: Tensor, symmetric: bool, memory_mib: float) -> None:
        self.x, self.y, self.symmetric, self.memory_mib = x, y, symmetric, memory_mib
        tile_side(len(y), y.shape[1], y.device, memory_mib)  # refuses a cap that is too small
        self.frame = coordinates_of(*((x,) if symmetric else (x, y)))
        norms = self.frame.norms(x)
        self.norms = norms, norms if symmetric else self.frame.norms(y)

    def tiles(self) -> Iterator[Tile]:
        """Tiles of all pairs, of one set those on and above the diagonal, where a point is not its own neighbour."""
        for tile in tiles(self.x, self.y, self.frame, self.norms, self.memory_mib, symmetric=self.symmetric):
            if self.symmetric and tile.row == tile.column:
                tile.lower.fill_diagonal_(math.inf)
            yield tile

    def tiles_of(self, rows: Tensor) -> Iterator[Tile]:
        """Tiles of some points of x, which fit one tile, against all of y; rows of tiles are places in ``rows``."""
        for tile in tiles(self.x[rows], self.y, self.frame, (self.norms[0][rows], self.norms[1]), self.memory_mib):
            if self.symmetric:
                own = (rows >= tile.column) & (rows < tile.column + tile.lower.shape[1])
                tile.lower[own.nonzero().squeeze(1), rows[own] - tile.column] = math.inf
            yield tile


def _nobody(points: int, k: int, dtype: torch.dtype, device: torch.device) -> Nearest:
    """The k nearest of nobody at all: infinitely far."""
    shape = (points, k)
    return Nearest(torch.full(shape, math.inf, dtype=dtype, device=device), torch.full(shape, -1, device=device))


def _find_roughly(pairs: _Pairs, best: Nearest) -> Nearest:
    """More than k neighbours of each point, the nearest by their lower bounds (float32, in the frame's units).

    Points whose k neighbours ``best`` has at distance 0 already are passed over.
    """
    wanted = min(best.squared.shape[1] + _SPARE, len(pairs.y) - pairs.symmetric)
    rough = _nobody(len(pairs.x), wanted, torch.float32, pairs.x.device)
    rough.squared[best.squared[:, -1] == 0] = -math.inf
    for tile in pairs.tiles():
        _offer(rough, tile)
        if pairs.symmetric and tile.row != tile.column:
            _offer(rough, tile.transposed)
    return rough


def _offer(rough: Nearest, tile: Tile) -> None:
    """Take the neighbours that a tile has to offer into ``rough``, in place."""
    count = rough.squared.shape[1]
    height = tile.lower.shape[0]
    limits = pad(rough.squared[:, -1], tile.row, height, -math.inf)
    minima = group_minima(tile.lower)
    if minima.shape[1] >= count:  # so many groups hold so many candidates, which are no farther than their minima
        limits = torch.minimum(limits, minima.topk(count, dim=1, largest=False).values[:, -1])
    _keep(rough, *tile.below(limits, minima), tile.row, height)


def _settle(pairs: _Pairs, rough: Nearest, best: Nearest) -> Tensor:
    """Put the k nearest of those found roughly into ``best``, in place, by exact distances.

    Returns:
        Points of which others may be nearer, (R,): all that were found are too close to call.
    """
    k, count = best.squared.shape[1], rough.squared.shape[1]
    lower, indices = rough.squared.to(torch.float64), rough.indices
    upper = pairs.frame.upper(lower, pairs.norms[0][:, None] + pairs.norms[1][indices])
    reach = upper.topk(k, dim=1, largest=False).values[:, -1:] + UNDERFLOW
    near = (lower <= reach) & (lower > -math.inf)
    rows, places = near.nonzero(as_tuple=True)
    squared = torch.full_like(lower, math.inf)
    squared[rows, places] = paired_squared(pairs.x, pairs.y, rows, indices[rows, places])
    indices, order = indices.sort(dim=1)  # equals in the order of their indices
    squared, order = squared.gather(1, order).sort(dim=1, stable=True)
    sought = lower[:, 0] > -math.inf
    best.squared[sought], best.indices[sought] = squared[sought, :k], indices.gather(1, order)[sought, :k]
    more = count < len(pairs.y) - pairs.symmetric
    return (near[:, -1] & more).nonzero().squeeze(1)


def _search(pairs: _Pairs, rows: Tensor, best: Nearest) -> None:
    """Find the k nearest of some points by exact distances of all pairs in question, in place.

    Args:
        pairs: The sets.
        rows: The points, (R,).
        best: k neighbours of each point, of which those of ``rows`` may not be the nearest.
    """
    if len(rows) == 0:
        return
    side = tile_side(len(rows), pairs.x.shape[1], pairs.x.device, pairs.memory_mib)
    for part in torch.split(rows, side):
        farthest = best.squared[part, -1]
        found = _nobody(len(part), best.squared.shape[1], torch.float64, part.device)
        for tile in pairs.tiles_of(part):
            limits = torch.minimum(farthest, found.squared[:, -1]) * (pairs.frame.scale**2 * _ROUND_UP) + UNDERFLOW
            # Nothing is nearer than 0, and at 0 an earlier one stays.
            limits = limits.where(found.squared[:, -1] > 0, -math.inf)
            at, columns, _ = tile.below(pad(limits.to(torch.float32), 0, len(tile.lower), -math.inf))
            squared = paired_squared(pairs.x, pairs.y, part[at], columns)
            _keep(found, at, columns, squared, 0, len(part))
        best.squared[part], best.indices[part] = found.squared, found.indices


def _keep(best: Nearest, rows: Tensor, columns: Tensor, squared: Tensor, start: int, height: int) -> None:
    """Merge candidates, sorted by row and column, into rows ``start``.. of ``best``, in place."""
    part = slice(start, start + height)
    n, k = best.squared[part].shape
    order = squared.argsort(stable=True)
    order = order[rows[order].argsort(stable=True)]
    rows = rows[order] - start
    count = torch.bincount(rows, minlength=n)
    rank = torch.arange(len(rows), device=rows.device) - (count.cumsum(0) - count)[rows]
    keep = rank < k
    new = _nobody(n, k, best.squared.dtype, rows.device)
    place = (rows[keep], rank[keep])
    new.squared[place], new.indices[place] = squared[order][keep], columns[order][keep]
    both = torch.cat([best.squared[part], new.squared], dim=1)
    # Tiles come in the order of columns, so what is there already goes first among equals.
    values, chosen = both.sort(dim=1, stable=True)
    best.squared[part] = values[:, :k]
    best.indices[part] = torch.cat([best.indices[part], new.indices], dim=1).gather(1, chosen[:, :k])


def _place_copies(points: Tensor, norms: Tensor, best: Nearest) -> None:
    """Give points with k copies or more their neighbours at distance 0, in place; the search then passes them over.

    Without this a generator that has collapsed to few images would leave almost every pair undecided. Rows are grouped
    by a hash; a row that differs from the first of its group is left to the search, so collisions cost only time.
    """
    k = best.squared.shape[1]
    if int(torch.unique(norms, return_counts=True)[1].max()) <= k:  # copies have one norm
        return
    _, group = torch.unique(_hash_rows(points), return_inverse=True)
    order = group.argsort(stable=True)
    sizes = torch.bincount(group)
    first = order[sizes.cumsum(0) - sizes]
    size = max(1, CHUNK // points.shape[1])
    parts = zip(torch.split(points, size), torch.split(first[group], size), strict=True)
    same = torch.cat([(part == points[leaders]).all(1) for part, leaders in parts])
    order = order[same[order]]  # sorted by group, then by index
    sizes = torch.bincount(group[order], minlength=len(sizes))
    begin = (sizes.cumsum(0) - sizes)[group[order]]
    place = torch.arange(len(order), device=order.device) - begin
    many = sizes[group[order]] > k
    turn = torch.arange(k, device=order.device)
    others = turn + (turn >= place[many, None])  # the first k of the group, without itself
    best.squared[order[many]] = 0.0
    best.indices[order[many]] = order[begin[many, None] + others]


def _hash_rows(points: Tensor) -> Tensor:
    """Hashes of rows, (N,) int64: equal for rows of equal bits."""
    weights = torch.randint(2**62, (points.shape[1],), generator=torch.Generator().manual_seed(0)).to(points.device)
    found = []
    for part in torch.split(points, max(1, CHUNK // points.shape[1])):
        bits = part.to(torch.float64).view(torch.int64)
        # Wide floats of narrow ones end in zeros, which a product modulo 2^64 would keep: mix the upper half in.
        found.append(((bits ^ (bits >> 29)) * (2 * weights + 1)).sum(1))
    return torch.cat(found)


def _count(found: Sequence[Hits], kinds: Sequence[Balls], tile: Tile, x: Tensor, y: Tensor, frame: Coordinates) -> None:
    """Add a tile's hits of balls around x to ``found``, in place."""
    unit = frame.scale**2
    radii = [pad(kind.squared_radii, tile.row, len(tile.lower), -math.inf) for kind in kinds]
    limits = torch.stack(radii).amax(0) * (unit * _ROUND_UP) + UNDERFLOW
    rows, columns, lower = tile.below(limits.to(torch.float32))
    upper = frame.upper(lower, tile.norms[0][rows] + tile.norms[1][columns])
    for hit, kind in zip(found, kinds, strict=True):
        radius = kind.squared_radii[rows]
        inside = upper < radius * unit
        unsure = (~inside & (lower <= radius * unit + UNDERFLOW)).nonzero().squeeze(1)
        exact = paired_squared(x, y, rows[unsure], columns[unsure])
        inside[unsure] = exact <= radius[unsure] if kind.closed else exact < radius[unsure]
        hit.per_ball.add_(torch.bincount(rows[inside], minlength=len(x)))
        hit.per_point.add_(torch.bincount(columns[inside], minlength=len(y)))
