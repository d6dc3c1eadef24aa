import math

import pytest
import torch
from torch import Tensor

from zerosum.latent.interpolate import bound_of, law_of, lerp, slerp, way_for
from zerosum.latent.priors import Coded, Conditional, LabelLaw, normal, one_hot, uniform
from zerosum.latent.truncation import Draw, truncated

RIGHT, UP = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
HALF = math.sqrt(0.5)


def pairs(n: int, d: int) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    return torch.randn(n, d, generator=rng), torch.randn(n, d, generator=rng)


def test_lerp_by_hand() -> None:
    assert lerp(RIGHT, 3 * UP, 0.25).tolist() == [0.75, 0.75]


@pytest.mark.parametrize(
    ("a", "b", "t", "expected"),
    [
        (RIGHT, UP, 0.5, (HALF, HALF)),
        (RIGHT, UP, 1 / 3, (math.cos(math.pi / 6), 0.5)),
        (RIGHT, -UP, 0.5, (HALF, -HALF)),
        (2 * RIGHT, 2 * UP, 0.5, (2 * HALF, 2 * HALF)),
        (RIGHT, 3 * UP, 0.5, (2 * HALF, 2 * HALF)),  # the length is halfway too
        (RIGHT, torch.tensor([-HALF, HALF]), 2 / 3, (0.0, 1.0)),  # 90 of 135 degrees
    ],
)
def test_slerp_by_hand(a: Tensor, b: Tensor, t: float, expected: tuple[float, float]) -> None:
    torch.testing.assert_close(slerp(a, b, t), torch.tensor(expected), atol=1e-6, rtol=0)


def test_slerp_is_shoemakes_formula() -> None:
    u, v = (torch.nn.functional.normalize(x.double(), dim=-1) for x in pairs(20, 7))
    w = torch.acos((u * v).sum(-1, keepdim=True))
    for t in (0.1, 0.5, 0.8):
        expected = torch.sin((1 - t) * w) / torch.sin(w) * u + torch.sin(t * w) / torch.sin(w) * v
        torch.testing.assert_close(slerp(u, v, t), expected)


@pytest.mark.parametrize("walk", [lerp, slerp])
def test_walks_begin_and_end_where_they_should(walk) -> None:
    a, b = pairs(50, 100)
    torch.testing.assert_close(walk(a, b, 0.0), a)
    torch.testing.assert_close(walk(a, b, 1.0), b)
    torch.testing.assert_close(walk(a, b, 0.3), walk(b, a, 0.7))


def test_slerp_keeps_the_norm_and_lerp_does_not() -> None:
    a, b = (9.0 * torch.nn.functional.normalize(x, dim=-1) for x in pairs(50, 100))
    for t in (0.2, 0.5, 0.9):
        torch.testing.assert_close(slerp(a, b, t).norm(dim=-1), torch.full((50,), 9.0))
    assert (lerp(a, b, 0.5).norm(dim=-1) < 8).all()


def test_slerp_goes_at_a_steady_angle() -> None:
    a, b = pairs(1, 12)
    walk = torch.nn.functional.normalize(slerp(a, b, torch.linspace(0, 1, 9)[:, None]), dim=-1)
    angles = torch.acos((walk[1:] * walk[:-1]).sum(-1))
    torch.testing.assert_close(angles, angles[:1].expand(8), atol=1e-4, rtol=0)


@pytest.mark.parametrize("gap", [1e-2, 1e-4, 1e-7, 0.0])
def test_slerp_tends_to_lerp_as_the_angle_vanishes(gap: float) -> None:
    a, other = pairs(10, 5)
    b = a + gap * other
    torch.testing.assert_close(slerp(a, b, 0.3), lerp(a, b, 0.3), atol=max(1e-6, gap**2), rtol=1e-6)


def test_parallel_vectors_of_unequal_length() -> None:
    a, _ = pairs(10, 5)
    torch.testing.assert_close(slerp(a, 3 * a, 0.5), 2 * a)


@pytest.mark.parametrize("nudge", [0.0, 1e-8, 1e-7, 1e-6, 1e-4])
@pytest.mark.parametrize("longer", [1.0, 2.0])
def test_opposite_vectors_turn_somewhere_without_leaving_the_sphere(nudge: float, longer: float) -> None:
    a, other = pairs(10, 4)
    a = torch.nn.functional.normalize(a, dim=-1)
    b = -longer * torch.nn.functional.normalize(a + nudge * other, dim=-1)
    for t in (0.0, 0.25, 0.5, 0.75, 1.0):
        torch.testing.assert_close(slerp(a, b, t).norm(dim=-1), torch.full((10,), 1 + t * (longer - 1)))
    torch.testing.assert_close(slerp(a, b, 1.0), b, atol=1e-5, rtol=0)
    halfway = slerp(a, b, 0.5)
    assert (halfway * a).sum(-1).abs().max() < 1e-3


def test_zero_vectors_take_the_direction_of_the_other() -> None:
    zero = torch.zeros(2)
    assert slerp(zero, zero, 0.5).tolist() == [0, 0]
    torch.testing.assert_close(slerp(zero, 4 * UP, 0.5), 2 * UP)
    torch.testing.assert_close(slerp(4 * UP, zero, 0.25), 3 * UP)


def test_one_dimension_has_only_the_straight_way() -> None:
    assert slerp(torch.tensor([1.0]), torch.tensor([-3.0]), 0.5).tolist() == [-1.0]


@pytest.mark.parametrize("walk", [lerp, slerp])
def test_shapes_broadcast(walk) -> None:
    a, b = pairs(3, 6)
    t = torch.linspace(0, 1, 5)[:, None]
    assert walk(a[0], b[0], t).shape == (5, 6)
    rows = walk(a[:, None], b[:, None], t)
    assert rows.shape == (3, 5, 6)
    torch.testing.assert_close(rows[2, 1], walk(a[2], b[2], 0.25))
    assert walk(a.double(), b.double(), 0.5).dtype == torch.float64


CODED = Coded(uniform(3), (one_hot(4), uniform(2)))
LABELS = LabelLaw("uniform", (1, 1))


@pytest.mark.parametrize(
    ("prior", "law", "bound"),
    [
        (uniform(5), "uniform", 1.0),
        (normal(5), "normal", None),
        (normal(1), "normal", None),  # of which a few samples might all be in [-1, 1]
        (Conditional(uniform(5), LABELS), "uniform", 1.0),
        (Conditional(normal(5), LABELS), "normal", None),
        (CODED, "uniform", 1.0),
        (truncated(uniform(5), 0.5), "uniform", 0.5),
        (truncated(uniform(5), 2.0), "uniform", 1.0),
        (truncated(normal(5), 0.5), "normal", 0.5),
        (truncated(Conditional(normal(5), LABELS), 2.0), "normal", 2.0),
        (truncated(CODED, 0.5), "uniform", 1.0),  # whose codes stay
        (lambda n, rng: torch.rand(n, 5, generator=rng) * 2 - 1, "uniform", 1.0),  # of one's own: samples say it
        (lambda n, rng: torch.randn(n, 5, generator=rng), "normal", None),
        (lambda n, rng: (torch.randn(n, 5, generator=rng), torch.zeros(n)), "normal", None),
        (truncated(lambda n, rng: torch.randn(n, 5, generator=rng), 0.5), "normal", 0.5),
    ],
)
def test_a_prior_has_its_way(prior: Draw, law: str, bound: float | None) -> None:
    assert (law_of(prior), bound_of(prior)) == (law, bound)
    way = way_for(prior)
    assert (way.name, way.between) == (("lerp", lerp) if law == "uniform" else ("slerp", slerp))


def test_a_walk_stays_where_a_uniform_prior_has_its_latents() -> None:
    rng = torch.Generator().manual_seed(0)
    a, b = uniform(400)(500, rng), uniform(400)(500, rng)
    assert way_for(uniform(400)).between(a, b, 0.5).abs().max() <= 1
    # P(|u + v| > sqrt 2) of two of U[-1, 1): what leaves the cube on the sphere.
    beyond = (slerp(a, b, 0.5).abs() > 1).double().mean()
    assert beyond == pytest.approx((2 - math.sqrt(2)) ** 2 / 4, abs=0.002)


def test_a_walk_keeps_the_length_of_normal_latents() -> None:
    rng = torch.Generator().manual_seed(0)
    a, b = normal(400)(500, rng), normal(400)(500, rng)
    assert way_for(normal(400)).between(a, b, 0.5).norm(dim=1).mean() == pytest.approx(20, rel=0.01)
