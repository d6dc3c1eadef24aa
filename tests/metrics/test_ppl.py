"""Path lengths of generators whose lengths are known."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from zerosum.latent.interpolate import lerp, slerp
from zerosum.metrics.measures.ppl import PathLength, perceptual_path_length

MIX = torch.randn(12, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def linear(z: Tensor) -> Tensor:
    return (z @ MIX.T.to(z)).view(-1, 3, 2, 2)


def squared(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).square().flatten(1).sum(dim=1)


def gaussian(n: int, rng: torch.Generator) -> Tensor:
    return torch.randn(n, 4, generator=rng, dtype=torch.float64)


def measured(generate=linear, distance=squared, latents=gaussian, path=lerp, seed=0, pairs=2_000, **more) -> PathLength:
    return perceptual_path_length(generate, latents, distance, path=path, seed=seed, pairs=pairs, **more)


@pytest.mark.parametrize("sampling", ["full", "end"])
def test_linear_generator_on_straight_paths(sampling: str) -> None:
    # d / eps^2 = |M (b - a)|^2 whatever t is, so the trimmed mean is that of the drawn latents.
    drawn: list[Tensor] = []

    def latents(n: int, rng: torch.Generator) -> Tensor:
        drawn.append(gaussian(n, rng))
        return drawn[-1]

    found = measured(latents=latents, sampling=sampling)
    exact = torch.cat([((b - a) @ MIX.T).square().sum(1) for a, b in zip(drawn[::2], drawn[1::2], strict=True)]).numpy()
    ordered = np.sort(exact)
    # 2,000 values: the 1st percentile lies at index 19.99 and is taken from below, the 99th at 1979.01 from above.
    kept = ordered[19:1981]
    assert found.mean == pytest.approx(kept.mean(), rel=1e-6)
    assert found.deviation == pytest.approx(kept.std(), rel=1e-6)
    assert (found.pairs, found.kept, found.epsilon, found.sampling, found.size) == (2_000, 1_962, 1e-4, sampling, 2)


def test_expectation_of_the_linear_generator() -> None:
    # Untrimmed, E|M (b - a)|^2 = 2 |M|_F^2; the tails that are dropped hold little of it.
    assert measured(pairs=20_000, batch=250).mean == pytest.approx(2 * float(MIX.square().sum()), rel=0.05)


def test_spherical_paths_have_the_arc_s_length() -> None:
    # On the unit circle a step covers the angle between a and b times epsilon, at any t.
    def circle(n: int, rng: torch.Generator) -> Tensor:
        return torch.nn.functional.normalize(torch.randn(n, 2, generator=rng, dtype=torch.float64), dim=1)

    def show(z: Tensor) -> Tensor:
        return z.view(-1, 1, 1, 2)

    found = measured(show, latents=circle, path=slerp, pairs=4_000)
    # The angle is uniform in [0, pi]: its mean square is pi^2 / 3, here without a hundredth at either end.
    angles = np.linspace(0.01, 0.99, 100_001) * math.pi
    assert found.mean == pytest.approx((angles**2).mean(), rel=0.03)


def test_full_and_end_differ_where_the_path_bends() -> None:
    # g(z) = z^2 is flat near 0 and steep far out; the middle of a straight path is nearer to 0 than its ends.
    def bent(z: Tensor) -> Tensor:
        return z.square().view(-1, 1, 2, 2)

    assert measured(bent, sampling="end").mean > 1.1 * measured(bent, sampling="full").mean


def test_batches_and_seeds() -> None:
    assert measured(batch=7, pairs=300).mean == pytest.approx(measured(batch=300, pairs=300).mean, rel=1e-9)
    assert measured(pairs=300) == measured(pairs=300)
    assert measured(pairs=300).mean != measured(pairs=300, seed=1).mean


def test_single_precision_keeps_three_digits() -> None:
    def single(n: int, rng: torch.Generator) -> Tensor:
        return gaussian(n, rng).float()

    assert measured(latents=single, pairs=500).mean == pytest.approx(measured(pairs=500).mean, rel=3e-4)


def test_large_images_are_averaged_down() -> None:
    def large(z: Tensor) -> Tensor:
        return linear(z).repeat_interleave(256, dim=2).repeat_interleave(256, dim=3)

    seen = []

    def watched(a: Tensor, b: Tensor) -> Tensor:
        seen.append(tuple(a.shape[1:]))
        return squared(a, b)

    found = measured(large, watched, pairs=4)
    assert (found.size, seen[0]) == (256, (3, 256, 256))
    # Constant blocks stay what they are: 128^2 pixels of each of the four.
    assert found.mean == pytest.approx(128**2 * measured(pairs=4).mean, rel=1e-6)


def test_progress_reaches_the_end() -> None:
    told: list[tuple[int, int]] = []
    measured(pairs=600, progress=lambda done, total: told.append((done, total)))
    assert told == [(250, 600), (500, 600), (600, 600)]


def test_what_is_refused() -> None:
    def noisy(z: Tensor) -> Tensor:
        return linear(z) + 1e-3 * torch.rand(len(z), 1, 1, 1, generator=rng)

    rng = torch.Generator().manual_seed(0)
    with pytest.raises(ValueError, match="same latents gave images that differ"):
        measured(noisy)
    with pytest.raises(ValueError, match="same latents"):
        measured(lambda z: linear(z) * math.nan)
    with pytest.raises(ValueError, match="finite and not negative"):
        measured(distance=lambda a, b: -squared(a, b))
    with pytest.raises(ValueError, match="one number for each of 50 pairs"):
        measured(distance=lambda a, b: (a - b).square())
    with pytest.raises(ValueError, match="floating-point images"):
        measured(lambda z: z)
    for wrong in ({"pairs": 1}, {"epsilon": 0.0}, {"batch": 0}):
        with pytest.raises(ValueError, match="must be at least 2"):
            measured(**wrong)
    with pytest.raises(ValueError, match="'full' or 'end'"):
        measured(sampling="middle")
