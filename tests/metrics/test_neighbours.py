"""Neighbours and balls against naive float64 differences, exact integers and scikit-learn."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_helpers import normal
from torch import Tensor
from torch.overrides import TorchFunctionMode

from zerosum.metrics.shared import neighbours, tiles
from zerosum.metrics.shared.neighbours import Balls, hits, nearest, paired_squared

SMALLEST = 8.3  # MiB: tiles of 32 x 32


def naive(x: Tensor, y: Tensor) -> np.ndarray:
    """All squared distances, one difference at a time."""
    a, b = x.double().numpy(), y.double().numpy()
    return np.stack([((row - b) ** 2).sum(axis=1) for row in a])


def naive_nearest(squared: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(squared, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(squared, order, axis=1), order


@pytest.mark.parametrize("memory", [SMALLEST, 512])
@pytest.mark.parametrize(
    ("n", "m", "dimensions", "k"), [(2, 1, 1, 1), (70, 33, 3, 5), (150, 120, 40, 119), (64, 96, 7, 3)]
)
def test_neighbours_of_another_set(n: int, m: int, dimensions: int, k: int, memory: float) -> None:
    x, y = normal(n, dimensions), normal(m, dimensions, seed=1) * 2 + 1
    if k > m:
        k = m
    squared, indices = naive_nearest(naive(x, y), k)
    found = nearest(x, y, k=k, memory_mib=memory)
    np.testing.assert_allclose(found.squared.numpy(), squared, rtol=1e-13)
    np.testing.assert_array_equal(found.indices.numpy(), indices)


@pytest.mark.parametrize("memory", [SMALLEST, 512])
@pytest.mark.parametrize(("n", "dimensions", "k"), [(2, 1, 1), (100, 5, 4), (129, 3, 128), (70, 2048, 3)])
def test_neighbours_within_a_set_equal_scikit_learn(n: int, dimensions: int, k: int, memory: float) -> None:
    from sklearn.neighbors import NearestNeighbors

    x = normal(n, dimensions, seed=2)
    # Without query points a sample is not its own neighbour.
    distances, indices = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(x.double().numpy()).kneighbors()
    memory = max(memory, 12) if dimensions > 1000 else memory
    found = nearest(x, k=k, memory_mib=memory)
    np.testing.assert_allclose(found.squared.sqrt().numpy(), distances, rtol=1e-7)
    np.testing.assert_array_equal(found.indices.numpy(), indices)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(2, 90), st.integers(1, 90), st.integers(1, 4), st.integers(1, 6))
def test_ties_and_copies_on_integers(seed: int, n: int, m: int, dimensions: int, k: int) -> None:
    # Integers of 0 to 3: most distances are tied, many points are equal, and int64 arithmetic is exact.
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 4, (n, dimensions)), rng.integers(0, 4, (m, dimensions))
    # A far offset: |x|^2 + |y|^2 - 2 x.y would lose all digits without centring.
    a, b = (torch.from_numpy(v).float() + 1000 for v in (x, y))
    within = ((x[:, None] - x) ** 2).sum(axis=2).astype(float)
    np.fill_diagonal(within, np.inf)
    across = ((x[:, None] - y) ** 2).sum(axis=2).astype(float)
    for squared, others, most in ((within, None, n - 1), (across, b, m)):
        found = nearest(a, others, k=min(k, most), memory_mib=SMALLEST)
        expected, indices = naive_nearest(squared, min(k, most))
        np.testing.assert_array_equal(found.squared.numpy(), expected)
        np.testing.assert_array_equal(found.indices.numpy(), indices)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 90), st.integers(1, 90), st.integers(1, 4))
def test_balls_on_integers(seed: int, n: int, m: int, dimensions: int) -> None:
    # Radii that points lie on exactly: <= and < differ, also at radius 0.
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 4, (n, dimensions)), rng.integers(0, 4, (m, dimensions))
    squared = ((x[:, None] - y) ** 2).sum(axis=2)
    of_x, of_y = rng.integers(0, 5, n), rng.integers(0, 5, m)
    in_x, in_y = hits(
        *(torch.from_numpy(v).float() - 500 for v in (x, y)),
        around_x=[Balls(torch.from_numpy(of_x).double(), closed=closed) for closed in (True, False)],
        around_y=[Balls(torch.from_numpy(of_y).double(), closed=closed) for closed in (True, False)],
        memory_mib=SMALLEST,
    )
    for found, inside in zip(in_x, (squared <= of_x[:, None], squared < of_x[:, None]), strict=True):
        np.testing.assert_array_equal(found.per_ball.numpy(), inside.sum(axis=1))
        np.testing.assert_array_equal(found.per_point.numpy(), inside.sum(axis=0))
    for found, inside in zip(in_y, (squared <= of_y, squared < of_y), strict=True):
        np.testing.assert_array_equal(found.per_ball.numpy(), inside.sum(axis=0))
        np.testing.assert_array_equal(found.per_point.numpy(), inside.sum(axis=1))


@pytest.mark.parametrize("scale", [1e-25, 1.0, 1e18])
def test_close_pairs_far_from_the_mean(scale: float) -> None:
    # Two clusters 1e4 apart and 1e-3 wide: in float32 |x|^2 + |y|^2 - 2 x.y is rounding noise within a cluster.
    x = normal(80, 6, seed=3, dtype=torch.float64) * 1e-3
    x[40:] += 1e4
    x = x * scale
    squared = naive(x, x)
    np.fill_diagonal(squared, np.inf)
    expected, indices = naive_nearest(squared, 4)
    found = nearest(x, k=4)
    np.testing.assert_allclose(found.squared.numpy(), expected, rtol=1e-12)
    np.testing.assert_array_equal(found.indices.numpy(), indices)
    # The fourth neighbour lies on the surface of its ball; itself and three others lie inside.
    around = [Balls(found.squared[:, 3], closed=closed) for closed in (False, True)]
    (inside, with_surface), _ = hits(x, x, around_x=around)
    assert inside.per_ball.tolist() == [4] * 80
    assert with_surface.per_ball.tolist() == [5] * 80


@settings(deadline=None, max_examples=15)
@given(
    st.integers(0, 2**32 - 1), st.sampled_from([SMALLEST, 9, 12, 600]), st.sampled_from([torch.float32, torch.float64])
)
def test_neither_order_nor_tiles_nor_type_change_a_bit(seed: int, memory: float, dtype: torch.dtype) -> None:
    x, y = normal(150, 9, seed=seed), normal(110, 9, seed=seed + 1)
    order = torch.randperm(150, generator=torch.Generator().manual_seed(seed))
    usual, other = nearest(x, k=3), nearest(x[order].to(dtype), k=3, memory_mib=memory)
    assert torch.equal(usual.squared[order], other.squared)
    radii = usual.squared[:, 2]
    ((a,), (b,)) = hits(x, y, around_x=[Balls(radii, True)], around_y=[Balls(radii[:110], False)])
    ((c,), (d,)) = hits(
        x[order].to(dtype),
        y.to(dtype),
        around_x=[Balls(radii[order], True)],
        around_y=[Balls(radii[:110], False)],
        memory_mib=memory,
    )
    assert torch.equal(a.per_ball[order], c.per_ball)
    assert torch.equal(a.per_point, c.per_point)
    assert torch.equal(b.per_ball, d.per_ball)
    assert torch.equal(b.per_point[order], d.per_point)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("dimensions", [1, 2, 3, 17, 2048])
def test_the_bounds_of_products_hold(dimensions: int, dtype: torch.dtype) -> None:
    # One cluster off the mean, so that the product cancels; tiles are compared with float64 differences.
    x, y = (v.to(dtype) for v in (normal(90, dimensions, seed=5), normal(70, dimensions, seed=6) * 1e-3 + 3))
    frame = tiles.coordinates_of(x, y)
    worst = 0.0
    for tile in tiles.tiles(x, y, frame, (frame.norms(x), frame.norms(y)), 512):
        true = naive(x[tile.row :], y[tile.column :])[: tile.lower.shape[0], : tile.lower.shape[1]] * frame.scale**2
        lower = tile.lower[: true.shape[0], : true.shape[1]].double()
        reach = tile.norms[0][tile.row :][: len(true), None] + tile.norms[1][tile.column :][: true.shape[1]]
        upper = frame.upper(lower, reach)
        assert (lower.numpy() <= true).all()
        assert (true <= upper.numpy()).all()
        worst = max(worst, float((upper.numpy() - true).max()))
        assert bool(tile.lower[true.shape[0] :].isinf().all())
        assert bool(tile.lower[:, true.shape[1] :].isinf().all())
    assert worst > 0


def test_operands_that_do_not_fit_are_made_again_and_say_the_same() -> None:
    x = normal(700, 300, seed=20)
    frame = tiles.coordinates_of(x)
    norms = frame.norms(x)
    made = 0

    class Counting(tiles.Coordinates):
        def operand(self, points: Tensor, norms: Tensor, side: int) -> Tensor:
            nonlocal made
            made += 1
            return super().operand(points, norms, side)

    found = {}
    for memory in (12.0, 200.0):
        made, whole = 0, Counting(*frame)
        every = [(t.row, t.column, t.lower.clone()) for t in tiles.tiles(x, x, whole, (norms, norms), memory)]
        rows = len({row for row, _, _ in every})
        found[memory] = made, rows, len(every)
    assert found[200.0] == (2, 1, 1)
    count, rows, pairs = found[12.0]
    assert 2 * rows < count < rows + pairs  # some are kept, and others are made for each row of tiles


def test_neighbours_that_bounds_cannot_tell_apart_are_searched_exactly() -> None:
    # Far from the middle, 1e-5 wide: thousands of bounds overlap, more than are kept beside the nearest.
    x = normal(400, 12, seed=21, dtype=torch.float64) * 1e-5
    x[200:] += 50
    squared = naive(x, x)
    np.fill_diagonal(squared, np.inf)
    searched = []
    original = neighbours._search

    def watching(pairs: neighbours._Pairs, rows: Tensor, best: neighbours.Nearest) -> None:
        searched.append(len(rows))
        original(pairs, rows, best)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "_search", watching)
        for memory in (SMALLEST, 512):
            found = nearest(x, k=3, memory_mib=memory)
            expected, indices = naive_nearest(squared, 3)
            np.testing.assert_array_equal(found.indices.numpy(), indices)
            np.testing.assert_allclose(found.squared.numpy(), expected, rtol=1e-10)
        usual = nearest(normal(400, 12, seed=22), k=3)
    assert searched[:2] == [400, 400]
    assert searched[2] == 0
    assert bool(usual.squared.isfinite().all())


def test_a_pair_has_one_number_in_any_company() -> None:
    x, y = normal(50, 77, seed=7), normal(50, 77, seed=8)
    rows, columns = torch.arange(50).repeat_interleave(50), torch.arange(50).repeat(50)
    many = paired_squared(x, y, rows, columns)
    one = torch.cat([paired_squared(x, y, rows[i : i + 1], columns[i : i + 1]) for i in range(2500)])
    assert torch.equal(many, one)
    assert torch.equal(many, paired_squared(y, x, columns, rows))
    np.testing.assert_allclose(many.view(50, 50).numpy(), naive(x, y), rtol=1e-13)


def test_a_collapsed_set_is_fast_and_at_zero() -> None:
    x = normal(1, 16, seed=9).expand(3000, 16).contiguous()
    x[::1000] += 1
    counted = 0
    original = neighbours.paired_squared

    def counting(a: Tensor, b: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        nonlocal counted
        counted += len(rows)
        return original(a, b, rows, columns)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "paired_squared", counting)
        found = nearest(x, k=4)
    usual = torch.arange(3000) % 1000 != 0
    assert bool((found.squared[usual] == 0).all())
    assert found.indices[1].tolist() == [2, 3, 4, 5]
    assert found.indices[3].tolist() == [1, 2, 4, 5]
    # 3 equal outliers: 2 copies each, then two of the crowd at a squared distance of 16.
    np.testing.assert_allclose(found.squared[::1000].numpy(), np.tile([0, 0, 16, 16], (3, 1)), rtol=1e-5)
    assert counted < 20_000  # of 9 million pairs


class LargestTensor(TorchFunctionMode):
    """The largest storage that any operation returned, in bytes."""

    largest = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        result = func(*args, **(kwargs or {}))
        for value in result if isinstance(result, tuple | list) else [result]:
            if isinstance(value, Tensor):
                self.largest = max(self.largest, value.untyped_storage().nbytes())
        return result


def test_no_tensor_exceeds_the_cap() -> None:
    x, y = normal(1200, 4, seed=10), normal(1200, 4, seed=11)
    everything = torch.full((1200,), 1e6, dtype=torch.float64)  # all pairs are hits: 23 MB of indices
    with LargestTensor() as watch:
        nearest(x, k=3, memory_mib=16)
        (inside,), _ = hits(x, y, around_x=[Balls(everything, True)], memory_mib=16)
    assert watch.largest < 4 * 2**20 < 4 * 1200**2
    assert int(inside.per_ball.sum()) == 1200**2


def test_reduced_precision_settings_change_nothing() -> None:
    x = normal(200, 300, seed=12) * 0.01 + 1
    usual = nearest(x, k=3)
    before = torch.backends.mkldnn.matmul.fp32_precision
    try:
        torch.backends.mkldnn.matmul.fp32_precision = "bf16"
        with torch.autocast("cpu", torch.bfloat16), torch.inference_mode():
            other = nearest(x, k=3)
            with tiles.plain_float32(x.device):  # not every CPU has products in bfloat16
                assert torch.backends.mkldnn.matmul.fp32_precision == "ieee"
                assert torch.backends.cuda.matmul.fp32_precision == "ieee"
                assert not torch.is_autocast_enabled("cpu")
        assert torch.backends.mkldnn.matmul.fp32_precision == "bf16"
    finally:
        torch.backends.mkldnn.matmul.fp32_precision = before
    assert torch.equal(usual.squared, other.squared)
    assert torch.equal(usual.indices, other.indices)


def test_constant_features_and_gradients() -> None:
    found = nearest(torch.full((5, 3), 7.0, requires_grad=True), k=2)
    assert found.squared.tolist() == [[0, 0]] * 5
    assert not found.squared.requires_grad
    assert found.indices.tolist() == [[1, 2], [0, 2], [0, 1], [0, 1], [0, 1]]


def test_what_is_refused() -> None:
    x = normal(10, 3)
    with pytest.raises(ValueError, match="10 nearest neighbours need at least 11 samples, not 10"):
        nearest(x, k=10)
    with pytest.raises(ValueError, match="11 nearest neighbours need at least 11 samples, not 10"):
        nearest(x, x, k=11)
    with pytest.raises(ValueError, match="k must be at least 1, not 0"):
        nearest(x, x, k=0)
    with pytest.raises(ValueError, match="3 with features of 4 dimensions"):
        nearest(x, normal(10, 4), k=1)
    with pytest.raises(ValueError, match=r"floating-point matrix .*int64 of shape \(2, 2\)"):
        nearest(torch.zeros(2, 2, dtype=torch.int64), k=1)
    with pytest.raises(ValueError, match=r"of shape \(2,\)"):
        hits(torch.zeros(2), torch.zeros(2))
    with pytest.raises(ValueError, match="at least 1 samples"):
        nearest(x[:0], k=1)
    for bad in (math.nan, math.inf, -math.inf):
        broken = x.clone()
        broken[4, 1] = bad
        with pytest.raises(ValueError, match="NaN or infinity"):
            nearest(x, broken, k=1)
    with pytest.raises(ValueError, match="memory_mib=8 is too little for 3 dimensions: allow at least 9"):
        nearest(x, k=1, memory_mib=8)
    with pytest.raises(ValueError, match="too little"):
        nearest(x, k=1, memory_mib=math.nan)
    with pytest.raises(ValueError, match="rescale"):
        nearest(x.double() * 1e200, k=1)


@pytest.mark.gpu
def test_a_gpu_says_the_same_to_the_last_bit() -> None:
    x, y = normal(3000, 65, seed=13), normal(2000, 65, seed=14)
    here, there = nearest(x, k=5), nearest(x.cuda(), k=5)
    assert torch.equal(here.squared, there.squared.cpu())
    assert torch.equal(here.indices, there.indices.cpu())
    radii = here.squared[:, 4]
    (a,), _ = hits(x, y, around_x=[Balls(radii, True)])
    (b,), _ = hits(x.cuda(), y.cuda(), around_x=[Balls(radii.cuda(), True)])
    assert torch.equal(a.per_ball, b.per_ball.cpu())
    assert torch.equal(a.per_point, b.per_point.cpu())
