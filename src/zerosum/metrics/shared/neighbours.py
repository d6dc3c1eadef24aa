"""Nearest neighbours and balls around points: exact, tile by tile, within a memory cap.

Squared distances of a tile of pairs come from one float32 matrix product, |x|^2 + |y|^2 - 2 x.y. That product loses
digits by cancellation, so it only filters: it has a proven error bound, pairs that it cannot decide are computed again
as sum (x - y)^2 in float64, and every result is what float64 says. So results depend neither on the tile size nor on
the device, a point equal to another is at distance 0 exactly, and ties (``<=`` against ``<``) mean what they say.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from zerosum.metrics.shared.arithmetic import plain_float32

MEMORY_MIB = 512.0
_LANES = 32  # neighbouring pairs that are looked at together: most groups are dismissed by their minimum
_PAIR_BYTES = 128  # of a tile, per pair, when every pair has to be listed
_ROW_BYTES = 24  # of a tile, per element of a row: float64, float32, and the product's operand
_CHUNK = 2**18  # elements whose differences are taken at a time: they stay in the cache
_CPU_SIDE, _GPU_SIDE = 1024, 8192  # tiles that the cache of a CPU holds, and that fill a GPU
_ROUNDING = 2.0**-24  # unit roundoff of float32


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


class _Frame(NamedTuple):
    """Where a tile's coordinates start and what they are multiplied by: a power of 2 that brings them to about 1."""

    centre: Tensor
    scale: float


class _Tile(NamedTuple):
    """Squared distances (b, c) of points ``row``.. of one set to points ``column``.. of another, in a frame's units.

    ``error`` bounds how far any of them is off. Tiles are of equal size: beyond a set's end all is infinitely far.
    """

    row: int
    column: int
    squared: Tensor
    error: float


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
    size = max(1, _CHUNK // x.shape[1])
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
    check_features(x, y)
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    if k > len(y) - symmetric:
        raise ValueError(f"{k} nearest neighbours need at least {k + symmetric} samples, not {len(y)}")
    best = Nearest(
        torch.full((len(x), k), math.inf, dtype=torch.float64, device=x.device),
        torch.full((len(x), k), -1, dtype=torch.int64, device=x.device),
    )
    if symmetric:
        _place_copies(x, best)
    frame = _frame(x, y)
    for tile in _tiles(x, y, frame, memory_mib, symmetric):
        diagonal = symmetric and tile.row == tile.column
        if diagonal:
            tile.squared.fill_diagonal_(math.inf)
        _offer(best, tile, x, y, frame)
        if symmetric and not diagonal:
            _offer(best, _Tile(tile.column, tile.row, tile.squared.T, tile.error), y, x, frame)
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
    frame = _frame(x, y)
    for tile in _tiles(x, y, frame, memory_mib, symmetric=False):
        if around_x:
            _count(in_x, around_x, tile, x, y, frame)
        if around_y:
            _count(in_y, around_y, _Tile(tile.column, tile.row, tile.squared.T, tile.error), y, x, frame)
    return in_x, in_y


def _frame(x: Tensor, y: Tensor) -> _Frame:
    """The frame in which the product's error is small: around the mean. Any centre is right, so rounding it is too."""
    centre = (x.mean(0).to(torch.float64) + y.mean(0).to(torch.float64)) / 2
    reach = max(float((points.amax(0) - centre).max().maximum((centre - points.amin(0)).max())) for points in (x, y))
    if reach == 0:
        return _Frame(centre, 1.0)
    if not 1e-140 < reach < 1e140:
        raise ValueError(f"features spread by {reach:g} have no squared distances in float64: rescale them")
    return _Frame(centre, 2.0 ** -math.frexp(reach)[1])


def _side(count: int, dimensions: int, device: torch.device, memory_mib: float) -> int:
    """Points on a side of a tile: as many as the cap allows, a multiple of the lanes, in tiles of about equal size."""
    cap = memory_mib * 2**20 - 32 * _CHUNK

    def cost(side: int) -> int:
        return _PAIR_BYTES * side**2 + 2 * _ROW_BYTES * side * (dimensions + 2)

    if not cost(_LANES) <= cap:
        least = math.ceil((cost(_LANES) + 32 * _CHUNK) / 2**20)
        raise ValueError(f"memory_mib={memory_mib:g} is too little for {dimensions} dimensions: allow at least {least}")
    side = _CPU_SIDE if device.type == "cpu" else _GPU_SIDE
    while cost(side) > cap:
        side //= 2
    equal = math.ceil(count / math.ceil(count / side))
    return math.ceil(equal / _LANES) * _LANES


def _operand(points: Tensor, start: int, side: int, frame: _Frame) -> tuple[Tensor, float]:
    """Rows (x, |x|^2, 1) of ``side`` points from ``start`` on, float32 in the frame, and the largest |x|^2."""
    values = torch.sub(points[start : start + side], frame.centre).mul_(frame.scale)  # float64, as the centre is
    norms = values.square().sum(1)
    n, dimensions = values.shape
    rows = torch.zeros(side, dimensions + 2, device=points.device)
    rows[:n, :dimensions], rows[:n, dimensions], rows[n:, dimensions] = values, norms, math.inf
    rows[:, dimensions + 1] = 1
    return rows, float(norms.max())


def _tiles(x: Tensor, y: Tensor, frame: _Frame, memory_mib: float, symmetric: bool) -> Iterator[_Tile]:
    """All tiles of x against y; of a set against itself, those on and above the diagonal.

    Error bound: with n = D + 2 terms of one inner product in float32, summed in any order, and each coordinate and norm
    rounded once, the error is at most (2 n + 4) u (|x|^2 + |y|^2) to first order in u.
    """
    high = _side(len(x), x.shape[1], x.device, memory_mib)
    wide = _side(len(y), y.shape[1], y.device, memory_mib)
    bound = 1.01 * (2 * (x.shape[1] + 2) + 4) * _ROUNDING
    squared = torch.empty(high, wide, device=x.device)
    for row in range(0, len(x), high):
        left, left_norm = _operand(x, row, high, frame)
        left[:, :-2] *= -2
        for column in range(row if symmetric else 0, len(y), wide):
            right, right_norm = _operand(y, column, wide, frame)
            right[:, -2:] = right[:, -2:].flip(1)
            with plain_float32(x.device):
                torch.mm(left, right.T, out=squared)
            # The last term is for squares that underflow.
            yield _Tile(row, column, squared, bound * (left_norm + right_norm) + 1e-30)


def _group_minima(squared: Tensor) -> Tensor:
    """The smallest of each group of a row: (b, c) -> (b, c / lanes)."""
    if squared.is_contiguous():
        return squared.view(len(squared), -1, _LANES).amin(2)
    # A transposed tile: the same, but ten times faster, by reducing what lies in memory as rows.
    return squared.T.view(-1, _LANES, len(squared)).amin(1).T


def _below(squared: Tensor, minima: Tensor, limits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(rows, columns, values) of the finite entries of ``squared`` (b, c) that do not exceed their row's limit (b,)."""
    limits = limits.to(torch.float32).clamp(max=torch.finfo(torch.float32).max)[:, None]
    row, group = (minima <= limits).nonzero(as_tuple=True)
    values = squared.view(len(squared), -1, _LANES)[row, group]
    hit, lane = (values <= limits[row]).nonzero(as_tuple=True)
    return row[hit], group[hit] * _LANES + lane, values[hit, lane]


def _pad(values: Tensor, start: int, side: int, filling: float) -> Tensor:
    """Rows ``start`` .. of values, ``side`` of them, with ``filling`` where there are no more."""
    part = values[start : start + side]
    return torch.nn.functional.pad(part, (0, side - len(part)), value=filling)


def _offer(best: Nearest, tile: _Tile, x: Tensor, y: Tensor, frame: _Frame) -> None:
    """Take the neighbours that a tile has to offer into ``best``, in place."""
    k = best.squared.shape[1]
    height = tile.squared.shape[0]
    found = _pad(best.squared[:, -1], tile.row, height, 0.0)
    # k groups hold k different candidates: the k-th smallest of their minima is no less than the k-th distance.
    minima = _group_minima(tile.squared)
    if minima.shape[1] >= k:
        reach = minima.topk(k, dim=1, largest=False).values[:, -1].to(torch.float64) + tile.error
    else:
        reach = torch.full_like(found, math.inf)
    limits = torch.minimum(found * frame.scale**2, reach) * (1 + 1e-6) + tile.error  # 1e-6: rounding to float32
    limits = limits.where(found > 0, -math.inf)  # nothing is nearer than 0, and at 0 an earlier one stays
    rows, columns, _ = _below(tile.squared, minima, limits)
    rows, columns = rows + tile.row, columns + tile.column
    _keep(best, rows, columns, paired_squared(x, y, rows, columns), tile.row, height)


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
    new_squared = torch.full((n, k), math.inf, dtype=torch.float64, device=rows.device)
    new_index = torch.full((n, k), -1, device=rows.device)
    place = (rows[keep], rank[keep])
    new_squared[place], new_index[place] = squared[order][keep], columns[order][keep]
    both = torch.cat([best.squared[part], new_squared], dim=1)
    # Tiles come in the order of columns, so what is there already goes first among equals.
    values, chosen = both.sort(dim=1, stable=True)
    best.squared[part] = values[:, :k]
    best.indices[part] = torch.cat([best.indices[part], new_index], dim=1).gather(1, chosen[:, :k])


def _place_copies(points: Tensor, best: Nearest) -> None:
    """Give points with k copies or more their neighbours at distance 0, in place; the search then passes them over.

    Without this a generator that has collapsed to few images would leave almost every pair undecided. Rows are grouped
    by a hash; a row that differs from the first of its group is left to the search, so collisions cost only time.
    """
    k = best.squared.shape[1]
    _, group = torch.unique(_hash_rows(points), return_inverse=True)
    order = group.argsort(stable=True)
    sizes = torch.bincount(group)
    first = order[sizes.cumsum(0) - sizes]
    size = max(1, _CHUNK // points.shape[1])
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
    for part in torch.split(points, max(1, _CHUNK // points.shape[1])):
        bits = part.to(torch.float64).view(torch.int64)
        # Wide floats of narrow ones end in zeros, which a product modulo 2^64 would keep: mix the upper half in.
        found.append(((bits ^ (bits >> 29)) * (2 * weights + 1)).sum(1))
    return torch.cat(found)


def _count(found: Sequence[Hits], kinds: Sequence[Balls], tile: _Tile, x: Tensor, y: Tensor, frame: _Frame) -> None:
    """Add a tile's hits of balls around x to ``found``, in place."""
    height = tile.squared.shape[0]
    radii = [_pad(kind.squared_radii, tile.row, height, -math.inf) for kind in kinds]
    unit = frame.scale**2
    limits = torch.stack(radii).amax(0) * (unit * (1 + 1e-6)) + tile.error
    rows, columns, approximate = _below(tile.squared, _group_minima(tile.squared), limits)
    for hit, kind, squared_radii in zip(found, kinds, radii, strict=True):
        radius = squared_radii[rows]
        # Surely inside; the margins of 1e-6 are for rounding the limit itself to float32.
        inside = approximate < radius * (unit * (1 - 1e-6)) - tile.error
        unsure = (~inside & (approximate <= radius * (unit * (1 + 1e-6)) + tile.error)).nonzero().squeeze(1)
        exact = paired_squared(x, y, rows[unsure] + tile.row, columns[unsure] + tile.column)
        inside[unsure] = exact <= radius[unsure] if kind.closed else exact < radius[unsure]
        of, at = rows[inside] + tile.row, columns[inside] + tile.column
        hit.per_ball.add_(torch.bincount(of, minlength=len(x)))
        hit.per_point.add_(torch.bincount(at, minlength=len(y)))
