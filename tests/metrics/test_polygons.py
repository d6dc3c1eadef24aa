"""Coverage by hand and by counting, nearest triangles by scipy, and generators whose recall is known."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import scipy.optimize
import torch
from matplotlib.path import Path
from torch import Tensor

from zerosum.core.random import generator
from zerosum.data import polygons as data
from zerosum.metrics.measures import polygons as module
from zerosum.metrics.measures.polygons import (
    Fit,
    PolygonInversion,
    distance_to_generator,
    distance_to_triangles,
    measure_polygons,
)
from zerosum.metrics.shared import polygon_geometry as geometry

QUICK = Fit(candidates=400, starts=2)


def triangles(n: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Corners, and images as the source draws them."""
    corners = data.draw_corners(n, generator("test triangles", seed))
    return corners, torch.from_numpy(data.rasterise(corners))[:, None]


def drawn(corners: Tensor, size: int = 28) -> Tensor:
    return (255 * (1 - geometry.coverage(corners, size))).round().byte()[:, None]


def noise(n: int) -> Tensor:
    return torch.randint(0, 256, (n, 1, 28, 28), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def test_coverage_by_hand() -> None:
    # The triangle (0, 0), (2, 0), (0, 2): one whole pixel, two halves, nothing.
    corners = torch.tensor([[[0.0, 0.0], [2.0, 0.0], [0.0, 2.0]]], dtype=torch.float64)
    assert geometry.coverage(corners, 3)[0].tolist() == [[1, 0.5, 0], [0.5, 0, 0], [0, 0, 0]]
    assert geometry.area(corners).tolist() == [2.0]
    # A square of side 1 over four pixels, three quarters to the right and one quarter down; and one half outside.
    square = torch.tensor([[[0.75, 0.25], [1.75, 0.25], [1.75, 1.25], [0.75, 1.25]]], dtype=torch.float64)
    expected = torch.tensor([[0.25 * 0.75, 0.75 * 0.75], [0.25 * 0.25, 0.75 * 0.25]], dtype=torch.float64)
    torch.testing.assert_close(geometry.coverage(square, 2)[0], expected)
    torch.testing.assert_close(geometry.coverage(square - 1, 2)[0, 0, 0], torch.tensor(0.75 * 0.25).double())


def test_coverage_by_counting() -> None:
    corners, _ = triangles(4)
    fine = 40
    axis = (np.arange(28 * fine) + 0.5) / fine
    places = np.stack(np.meshgrid(axis, axis), axis=2).reshape(-1, 2)
    for triangle, ours in zip(corners, geometry.coverage(corners, 28), strict=True):
        inside = Path(np.vstack([triangle.numpy(), triangle[:1].numpy()])).contains_points(places)
        counted = inside.reshape(28, fine, 28, fine).mean(axis=(1, 3))
        np.testing.assert_allclose(ours, counted, atol=0.02)
    torch.testing.assert_close(geometry.coverage(corners, 28).sum(dim=(1, 2)), geometry.area(corners))


def slopes_of(draw: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    """Derivatives of images (B, S, S) by their own coordinates (B, ...), by central differences: (B, P, S, S)."""
    steps = 1e-6 * torch.eye(at[0].numel(), dtype=at.dtype).view(-1, 1, *at.shape[1:])
    return torch.stack([(draw(at + step) - draw(at - step)) / 2e-6 for step in steps], dim=1)


def test_slopes_are_the_derivative() -> None:
    corners, _ = triangles(3)
    numeric = slopes_of(lambda k: geometry.coverage(k, 28), corners)
    torch.testing.assert_close(geometry.coverage_slopes(corners, 28).flatten(1, 2), numeric, rtol=0, atol=1e-5)


def test_every_triangle_of_the_data_is_allowed() -> None:
    corners = data.draw_corners(3_000, generator("their law"))
    assert bool(geometry.are_allowed(corners, 28).all())
    # The least area is that of the smallest.
    smallest = data.inscribe(torch.deg2rad(torch.tensor([[0.0, 20.0, 140.0]], dtype=torch.float64)))
    assert float(geometry.area(smallest)) == pytest.approx(geometry.LEAST_AREA)
    assert geometry.LEAST_AREA < float(geometry.area(corners).min()) < 1.25 * geometry.LEAST_AREA


def test_what_is_no_triangle_of_the_study_is_not_allowed() -> None:
    corners = torch.tensor([[[4.0, 4.0], [20.0, 4.0], [4.0, 20.0]]], dtype=torch.float64)
    outside, small = corners - 4.1, (corners - 12) * 0.4 + 12
    assert geometry.area(torch.cat([corners, small])).tolist() == pytest.approx([128, 20.48])
    assert geometry.are_allowed(torch.cat([corners, outside, small, corners.flip(1)]), 28).tolist() == [
        True,
        False,
        False,
        False,
    ]


def test_triangles_are_near_and_noise_is_far() -> None:
    corners, images = triangles(12)
    exact = distance_to_triangles(drawn(corners), seed=0, fit=QUICK)
    assert float(exact.max()) < 0.02  # rounding to 8 bits: 255ths in some 60 pixels of the edge
    assert float(distance_to_triangles(images, seed=0, fit=QUICK).max()) < 0.3  # and 64 levels of subpixels
    assert float(distance_to_triangles(noise(3), seed=0, fit=QUICK).min()) > 10


def test_further_starts_are_for_what_is_not_near_yet() -> None:
    # Ink 0, 0.6 and 1 everywhere; what can be reached from each candidate is told by a table.
    images = torch.stack([torch.full((1, 28, 28), level, dtype=torch.uint8) for level in (255, 102, 0)])
    known = torch.tensor([0.1, 0.9, 0.55]).double()[:, None].expand(-1, 28 * 28)
    reached = torch.tensor([[0.5, 9, 7], [8, 0.25, 6], [3, 2, 5]]).double()  # of each image, from each candidate
    asked: list[tuple[list[int], list[int]]] = []

    def refine(ink: Tensor, candidates: Tensor) -> Tensor:
        which = (ink[:, 0] / 0.4).round().long().clamp(max=2)  # 0, 0.6 and 1 are images 0, 1 and 2
        asked.append((which.tolist(), candidates.tolist()))
        return reached[which, candidates]

    told: list[tuple[int, int]] = []
    found = module._search(images, known, 2, refine, 1.0, lambda *counts: told.append(counts))
    # Nearest first: 0 and 2 for the first image, 2 and 1 for the second, 1 and 2 for the third.
    assert asked == [([0, 1, 2], [0, 2, 1]), ([1, 2], [1, 2])]
    assert found.tolist() == [0.5, 0.25, 2]
    assert told == [(3, 3)]


def test_progress_counts_all_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", 2)
    told: list[tuple[int, int]] = []
    distance_to_triangles(triangles(3)[1], seed=0, fit=Fit(20, 1, 1), progress=lambda *counts: told.append(counts))
    assert told == [(2, 3), (3, 3)]


def test_the_nearest_triangle_is_scipy_s() -> None:
    corners, images = triangles(3, seed=4)
    rough = images.int() + torch.randint(-60, 61, images.shape, generator=torch.Generator().manual_seed(1))
    rough = rough.clamp(0, 255).byte()
    ours = distance_to_triangles(rough, seed=0, fit=QUICK)
    for image, start, distance in zip(rough, corners, ours.tolist(), strict=True):
        ink = 1 - image[0].double() / 255

        def residual(at: np.ndarray, ink: Tensor = ink) -> np.ndarray:
            return (geometry.coverage(torch.from_numpy(at).view(1, 3, 2), 28)[0] - ink).flatten().numpy()

        theirs = scipy.optimize.least_squares(residual, start.flatten().numpy(), diff_step=1e-5)
        assert distance == pytest.approx(math.sqrt(2 * theirs.cost), rel=1e-3)


def test_a_grey_pixel_in_the_corner_is_all_the_distance() -> None:
    corners, _ = triangles(4)
    images = drawn(corners)
    images[:, :, 0, 0] = 255 - 153  # ink 0.6, far from any triangle of the data
    found = distance_to_triangles(images, seed=0, fit=QUICK)
    assert found.tolist() == pytest.approx([0.6] * 4, abs=1e-3)


def test_moved_and_shrunken_triangles_are_triangles() -> None:
    corners, _ = triangles(6, seed=2)
    moved = (corners - 14) * 0.9 + torch.tensor([12.5, 15.0])
    images = drawn(moved[geometry.area(moved) > 40])
    assert float(distance_to_triangles(images, seed=0).max()) < 0.02


def test_an_empty_image_is_no_triangle() -> None:
    empty = torch.full((1, 1, 28, 28), 255, dtype=torch.uint8)
    assert float(distance_to_triangles(empty, seed=0)) > 3


def test_padding_chunks_and_order_change_nothing() -> None:
    _, images = triangles(5)
    mixed = torch.cat([images, noise(1)])
    whole = distance_to_triangles(mixed, seed=0, fit=QUICK)
    padded = torch.nn.functional.pad(mixed, (2, 2, 2, 2), value=255)
    torch.testing.assert_close(distance_to_triangles(padded, seed=0, fit=QUICK)[:5], whole[:5], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(distance_to_triangles(mixed.flip(0), seed=0, fit=QUICK).flip(0), whole)
    parts = [distance_to_triangles(part, seed=0, fit=QUICK) for part in mixed.split(4)]
    torch.testing.assert_close(torch.cat(parts), whole)


def show(angles: Tensor) -> Tensor:
    """A perfect generator: its latents are the angles of a triangle of the data, its images in [-1, 1]."""
    return 1 - 2 * geometry.coverage(data.inscribe(angles.double()), 28)[:, None]


def search(generate=show, latents=data.draw_angles, **more) -> PolygonInversion:
    return PolygonInversion(generate, latents, **{"candidates": 300, "starts": 2, "steps": 40, "rate": 0.03, **more})


def test_a_perfect_generator_has_all_of_everything() -> None:
    _, images = triangles(10)
    _, targets = triangles(8, seed=1)
    told: list[tuple[int, int]] = []
    found = measure_polygons(
        images,
        seed=0,
        fit=QUICK,
        inversion=search(),
        targets=targets,
        progress=lambda done, total: told.append((done, total)),
    )
    assert (found.precision, found.recall, found.f1) == (1.0, 1.0, 1.0)
    assert (found.images, found.targets, found.delta) == (10, 8, 0.75)
    assert found.distance < 0.2
    assert found.settings == (
        "any triangle, 400 candidates, 2 starts of 20 Gauss-Newton steps; 300 latents, 2 starts of 40 Adam steps at "
        "rate 0.03, latents free"
    )
    assert told == [(10, 18), (18, 18)]


def test_a_generator_of_one_shape_recalls_that_shape_alone() -> None:
    shape = torch.deg2rad(torch.tensor([0.0, 100.0, 220.0], dtype=torch.float64))

    def turning(z: Tensor) -> Tensor:
        return show(shape + 2 * math.pi * z)

    def turns(n: int, rng: torch.Generator) -> Tensor:
        return torch.rand(n, 1, generator=rng, dtype=torch.float64)

    same = drawn(data.inscribe(shape + torch.linspace(0.1, 6, 5, dtype=torch.float64)[:, None]))
    other = drawn(data.inscribe(torch.deg2rad(torch.tensor([[0.0, 30.0, 160.0]], dtype=torch.float64))))
    inversion = search(turning, turns, candidates=50)
    found = measure_polygons(same, seed=0, fit=QUICK, inversion=inversion, targets=torch.cat([same, other]))
    assert (found.precision, found.recall) == (1.0, pytest.approx(5 / 6))
    assert found.f1 == pytest.approx(2 * (5 / 6) / (1 + 5 / 6))


def test_noise_has_nothing() -> None:
    _, targets = triangles(2)
    inversion = search(lambda z: (z[:, :1] * 0).view(-1, 1, 1, 1).expand(-1, 1, 28, 28), steps=2)
    found = measure_polygons(noise(2), seed=0, fit=QUICK, inversion=inversion, targets=targets)
    assert (found.precision, found.recall, found.f1) == (0.0, 0.0, 0.0)
    # All that it can make is grey: half an ink in every pixel.
    expected = [np.linalg.norm(target.numpy() / 255 - 0.5) for target in targets]
    assert distance_to_generator(targets, inversion, seed=0).tolist() == pytest.approx(expected, rel=1e-6)


def test_bounded_latents_stay_bounded() -> None:
    # The ink is 0.5 + z everywhere and z reaches 0.25 either way, so black and white are 28 times 0.25 away.
    def flat(z: Tensor) -> Tensor:
        assert float(z.detach().abs().max()) <= 0.25
        return (-2 * z).view(-1, 1, 1, 1).expand(-1, 1, 28, 28)

    def latents(n: int, rng: torch.Generator) -> Tensor:
        return (torch.rand(n, 1, generator=rng, dtype=torch.float64) - 0.5) / 2

    ends = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).expand(-1, 1, 28, 28)
    bounded = search(flat, latents, bound=0.25, rate=0.1)
    assert distance_to_generator(ends, bounded, seed=0).tolist() == pytest.approx([7, 7], rel=1e-6)


def test_a_folder_of_images_gets_a_precision_only() -> None:
    _, images = triangles(3)
    found = measure_polygons(torch.cat([images, noise(1)]), seed=0, fit=QUICK)
    assert (found.precision, found.recall, found.f1, found.targets) == (0.75, None, None, 0)


def test_what_is_refused() -> None:
    _, images = triangles(2)
    with pytest.raises(ValueError, match="both the generator"):
        measure_polygons(images, seed=0, targets=images)
    with pytest.raises(ValueError, match="delta must be positive"):
        measure_polygons(images, seed=0, delta=0)
    for wrong in (images.float(), images[:, 0], images.expand(-1, 3, -1, -1), images[..., :20, :20]):
        with pytest.raises(ValueError, match="grey, square and of 28 pixels or more"):
            distance_to_triangles(wrong, seed=0)
    with pytest.raises(ValueError, match="no images"):
        distance_to_triangles(images[:0], seed=0)
    with pytest.raises(ValueError, match="no more starts than candidates"):
        distance_to_triangles(images, seed=0, fit=Fit(candidates=2, starts=3))
    with pytest.raises(ValueError, match="no more starts than candidates"):
        distance_to_generator(images, search(starts=0), seed=0)
    with pytest.raises(ValueError, match="finite images"):
        distance_to_generator(images, search(lambda z: show(z) * math.nan), seed=0)
    with pytest.raises(ValueError, match="finite images"):
        distance_to_generator(images, search(lambda z: show(z)[..., :20]), seed=0)
