"""The sliced distance against scipy's 1-D distance, and the pyramid against scipy's filters."""

from collections.abc import Iterator

import numpy as np
import pytest
import scipy.ndimage
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zerosum.core.random import generator
from zerosum.metrics.measures import swd as module
from zerosum.metrics.measures.swd import (
    SlicedDistances,
    laplacian_pyramid,
    sides,
    sliced_distance,
    sliced_wasserstein,
)


def noise(n: int, size: int = 32, channels: int = 3, seed: int = 0) -> torch.Tensor:
    shape = (n, channels, size, size)
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


def few(a: torch.Tensor, b: torch.Tensor, seed: int = 0, batch: int = 5) -> SlicedDistances:
    return sliced_wasserstein(a.split(batch), b.split(batch), seed=seed, patches=16, repeats=2, directions=20)


@pytest.mark.parametrize("dimensions", [1, 5])
def test_each_direction_is_scipy_s_distance(dimensions: int) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 60, dimensions))
    b = 2 * b + 1
    directions = rng.normal(size=(dimensions, 37))
    directions /= np.linalg.norm(directions, axis=0)
    expected = np.mean([scipy.stats.wasserstein_distance(a @ d, b @ d) for d in directions.T])
    ours = sliced_distance(*(torch.from_numpy(x) for x in (a, b, directions)))
    assert ours == pytest.approx(expected, rel=1e-12)


def test_of_a_shift_is_its_mean_length_along_the_directions() -> None:
    # Every point moves by v, so each projection moves by <v, d>.
    a = torch.randn(40, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    directions = torch.eye(3, dtype=torch.float64)
    assert sliced_distance(a, a + torch.tensor([3.0, -1.0, 0.5]), directions) == pytest.approx(4.5 / 3)


def test_the_pyramid_is_scipy_s() -> None:
    images = noise(2, 32).double()
    weights = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1])[None, None] / 256

    def halved(x: np.ndarray) -> np.ndarray:
        return scipy.ndimage.convolve(x, weights, mode="mirror")[:, :, ::2, ::2]

    def doubled(x: np.ndarray) -> np.ndarray:
        sparse = np.zeros((*x.shape[:2], 2 * x.shape[2], 2 * x.shape[3]))
        sparse[:, :, ::2, ::2] = x
        return scipy.ndimage.convolve(sparse, 4 * weights, mode="mirror")

    fine, coarse = images.numpy(), halved(images.numpy())
    ours = laplacian_pyramid(images, 2)
    np.testing.assert_allclose(ours[0], fine - doubled(coarse), atol=1e-10)
    np.testing.assert_allclose(ours[1], coarse, atol=1e-10)


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 2**31), st.sampled_from([16, 32, 48, 64]))
def test_the_pyramid_gives_the_image_back(seed: int, size: int) -> None:
    images = noise(1, size, seed=seed).double()
    *finer, rebuilt = laplacian_pyramid(images, len(sides(size)))
    for level in reversed(finer):
        rebuilt = module._enlarge(rebuilt) + level
    torch.testing.assert_close(rebuilt, images, rtol=0, atol=1e-9)


def test_the_whole_against_numpy() -> None:
    # One level and one channel: patches cut, normalised and projected from scratch, at the same random places.
    a, b = noise(8, 16, 1), (noise(8, 16, 1, seed=1) // 2) + 40
    a[:, :, :, 8:] //= 3
    ours = sliced_wasserstein([a], [b], seed=3, patches=9, repeats=3, directions=11)

    def descriptors(x: torch.Tensor) -> np.ndarray:
        cut = []
        for i, image in enumerate(x[:, 0].numpy().astype(float)):
            places = torch.randint(10, (9, 2), generator=generator(3, "swd patches", 0, i)).tolist()
            cut += [image[r : r + 7, c : c + 7].ravel() for r, c in places]
        whole = np.array(cut)
        return (whole - whole.mean()) / whole.std()

    first, second = descriptors(a), descriptors(b)
    distances = []
    for repeat in range(3):
        drawn = torch.randn(49, 11, generator=generator(3, "swd directions", 0, repeat), dtype=torch.float64).numpy()
        units = (drawn / np.linalg.norm(drawn, axis=0)).T
        distances += [scipy.stats.wasserstein_distance(first @ d, second @ d) for d in units]
    assert ours.average == pytest.approx(1e3 * np.mean(distances), rel=1e-4)
    assert ours.levels == ((16, ours.average),)
    assert (ours.images, ours.patches, ours.directions) == (8, 9, 33)


def test_equal_sets_are_at_zero_and_unlike_ones_are_not() -> None:
    a = noise(40, 64)
    same = few(a, a)
    assert [size for size, _ in same.levels] == [64, 32, 16]
    assert (same.average, [value for _, value in same.levels]) == (0.0, [0.0] * 3)
    # Each set's channels are normalised: what remains is the shape of its patches, here stripes.
    striped = a[..., :1, :].expand(-1, -1, 64, -1)
    assert few(a, striped).levels[0][1] > 1.5 * few(a, noise(40, 64, seed=9)).levels[0][1]


def test_what_does_not_matter() -> None:
    a, b = noise(12), noise(12, seed=1).sqrt().mul(16).byte()
    one = few(a, b)
    assert few(a, b, batch=7) == one
    assert few(b, a).average == pytest.approx(one.average, rel=1e-6)
    # Brightness and contrast are taken out by the normalisation: halves are exact in float32.
    assert few(a // 2 * 2, b).average == pytest.approx(few(a // 2, b).average, rel=1e-4)
    assert few(a, b, seed=1).average != one.average


class Once:
    """Batches that are gone after one reading."""

    def __init__(self, images: torch.Tensor) -> None:
        self.rest = iter(images.split(4))

    def __iter__(self) -> Iterator[torch.Tensor]:
        return self.rest


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        (noise(4), noise(5), "same number of images"),
        (noise(4), noise(4, 16), "same number of images of one shape"),
        (noise(1), noise(1), "at least 2 images, not 1"),
        (noise(4, 12), noise(4, 12), "16 pixels a side; images have 12"),
        (noise(4, 70), noise(4, 70), "cannot be halved"),
        (noise(4).float(), noise(4), "uint8"),
        (noise(4)[..., :20], noise(4), "square"),
        (torch.zeros(4, 1, 16, 16, dtype=torch.uint8), noise(4, 16, 1), "constant over all patches"),
    ],
)
def test_what_is_refused(a: torch.Tensor, b: torch.Tensor, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        few(a, b)


def test_further_refusals() -> None:
    with pytest.raises(ValueError, match="only once"):
        sliced_wasserstein(Once(noise(8)), [noise(8)], seed=0, patches=4)
    with pytest.raises(ValueError, match="one shape"):
        sliced_wasserstein([noise(3), noise(3, 16)], [noise(6)], seed=0)
    with pytest.raises(ValueError, match="at least 1"):
        sliced_wasserstein([noise(3)], [noise(3)], seed=0, repeats=0)
    with pytest.raises(ValueError, match="same number and length"):
        sliced_distance(torch.zeros(3, 2), torch.zeros(4, 2), torch.eye(2))
