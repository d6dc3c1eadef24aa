"""Bounds on mutual information against the information itself, summed or integrated by other means."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import grad

from zerosum.penalties.information import categorical_information, gaussian_information

# A channel of three codes (rows) and four samples (columns): P(c, x) in sixteenths, so that a batch holds it exactly.
JOINT = torch.tensor([[4, 1, 0, 1], [0, 2, 1, 1], [1, 0, 4, 1]])
CODES, SAMPLES = (
    part.repeat_interleave(JOINT.flatten()) for part in torch.cartesian_prod(*map(torch.arange, (3, 4))).T
)


def entropy(p: Tensor) -> float:
    scipy = pytest.importorskip("scipy.stats")
    return float(scipy.entropy(p.double().flatten().numpy()))


def bound(table: Tensor) -> float:
    """L_I for Q(c|x) = softmax of the sample's column of ``table``, over a batch with the channel's frequencies."""
    codes = F.one_hot(CODES, 3).double()
    return categorical_information(table.double().T[SAMPLES], codes, entropy(JOINT.sum(1))).item()


def test_at_the_posterior_the_bound_is_the_mutual_information() -> None:
    true = entropy(JOINT.sum(0)) + entropy(JOINT.sum(1)) - entropy(JOINT)
    assert 0.2 < true < 1
    posterior = (JOINT / JOINT.sum(0)).clamp_min(1e-30).log()
    assert bound(posterior) == pytest.approx(true, abs=1e-12)
    assert bound(posterior + torch.tensor([5.0, -3.0, 0.0, 9.0])) == pytest.approx(
        true, abs=1e-12
    )  # logits have no zero


def test_other_guesses_are_below_the_mutual_information() -> None:
    true = entropy(JOINT.sum(0)) + entropy(JOINT.sum(1)) - entropy(JOINT)
    posterior = (JOINT / JOINT.sum(0)).clamp_min(1e-3).log()
    rng = torch.Generator().manual_seed(0)
    found = [bound(posterior + scale * torch.randn(3, 4, generator=rng)) for scale in (0.3, 1, 3) for _ in range(50)]
    assert max(found) < true
    assert min(found) < 0 < max(found)


def test_a_sure_and_right_guess_gives_the_entropy_and_no_knowledge_gives_zero() -> None:
    codes = torch.eye(10)
    assert categorical_information(1e3 * codes, codes).item() == pytest.approx(math.log(10), abs=1e-6)
    assert categorical_information(torch.full((10, 10), 7.0), codes).item() == pytest.approx(0, abs=1e-6)
    assert bound((JOINT.sum(1, keepdim=True) / 16).log().expand(3, 4)) == pytest.approx(0, abs=1e-12)  # Q(c|x) = P(c)
    assert categorical_information(1e3 * codes, codes.roll(1, 0)).item() == pytest.approx(math.log(10) - 1e3, rel=1e-6)


@pytest.mark.parametrize("classes", [2, 10])
def test_the_bound_is_never_above_the_entropy(classes: int) -> None:
    rng = torch.Generator().manual_seed(0)
    codes = F.one_hot(torch.randint(classes, (64,), generator=rng), classes).float()
    for scale in (0.1, 1.0, 10.0, 100.0):
        logits = scale * (torch.randn(64, classes, generator=rng) + 3 * codes)
        assert categorical_information(logits, codes).item() <= math.log(classes)


def test_the_gradient_raises_the_logit_of_the_true_code_by_what_is_missing() -> None:
    logits, codes = torch.randn(5, 4).double(), F.one_hot(torch.tensor([0, 3, 3, 1, 2]), 4).double()
    torch.testing.assert_close(grad(categorical_information)(logits, codes), (codes - logits.softmax(1)) / 5)
    mean, u = torch.randn(5, 2).double(), torch.rand(5, 2).double()
    torch.testing.assert_close(grad(gaussian_information)(mean, u), (u - mean) / 5)
    torch.testing.assert_close(grad(gaussian_information)(mean, u, math.log(0.5)), 4 * (u - mean) / 5)


@pytest.mark.parametrize("said", ["fixed", "per code"])
def test_gaussian_bound_is_that_of_torch_distributions(said: str) -> None:
    torch.manual_seed(0)
    mean, codes = torch.randn(64, 3).double(), 2 * torch.rand(64, 3).double() - 1
    log_std = math.log(0.7) if said == "fixed" else torch.randn(64, 3).double()
    q: Any = torch.distributions.Normal(mean, torch.as_tensor(log_std).exp())
    prior: Any = torch.distributions.Uniform(-1, 1)
    expected = q.log_prob(codes).sum(1).mean() + 3 * prior.entropy()
    torch.testing.assert_close(gaussian_information(mean, codes, log_std), expected.double(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("noise", [0.05, 0.2, 1.0])
def test_gaussian_bound_is_below_the_information_of_a_noisy_channel_and_near_it(noise: float) -> None:
    # x = c + N(0, noise^2): I(c; x) = h(x) - h(x | c), with h(x) integrated from its density.
    integrate, stats = pytest.importorskip("scipy.integrate"), pytest.importorskip("scipy.stats")

    def density(x: float) -> float:
        return float(stats.norm.cdf((x + 1) / noise) - stats.norm.cdf((x - 1) / noise)) / 2

    limit = 1 + 8 * noise
    h, _ = integrate.quad(lambda x: -density(x) * math.log(density(x) + 1e-300), -limit, limit, limit=200)
    true = h - math.log(2 * math.pi * math.e * noise**2) / 2
    rng = torch.Generator().manual_seed(0)
    c = 2 * torch.rand(200_000, 1, generator=rng).double() - 1
    x = c + noise * torch.randn(200_000, 1, generator=rng).double()
    gain = (1 / 3) / (1 / 3 + noise**2)  # the best linear guess, and its error
    found = gaussian_information(gain * x, c, math.log(noise * math.sqrt(gain))).item()
    assert true - 0.25 < found < true
    assert found > gaussian_information(x, c, 0.0).item()


def test_codes_at_the_mean_of_a_fixed_deviation_of_one_give_less_than_nothing() -> None:
    codes = torch.rand(8, 2)
    assert gaussian_information(codes, codes).item() == pytest.approx(2 * -0.2257913526, abs=1e-6)
    assert gaussian_information(codes, codes, -20.0).item() == pytest.approx(2 * (20 - 0.2257913526), rel=1e-6)
    assert gaussian_information(torch.empty(8, 0), torch.empty(8, 0)).item() == 0


BOUNDS: list[Callable[[Tensor, Tensor], Tensor]] = [categorical_information, gaussian_information]


@pytest.mark.parametrize("bound", BOUNDS)
def test_derivatives_to_second_order(bound: Callable[[Tensor, Tensor], Tensor]) -> None:
    said, codes = torch.randn(4, 3).double().requires_grad_(), torch.eye(4).double()[:, :3]
    assert torch.autograd.gradcheck(lambda t: bound(t, codes), (said,))
    assert torch.autograd.gradgradcheck(lambda t: bound(t, codes), (said,))


@pytest.mark.parametrize("bound", BOUNDS)
def test_under_autocast_it_is_float32_and_compiles(bound: Callable[[Tensor, Tensor], Tensor]) -> None:
    torch._dynamo.reset()
    said, codes = torch.randn(16, 4), F.one_hot(torch.arange(16) % 4, 4).float()

    def under(t: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return bound(t, codes)

    low = said.bfloat16()
    assert under(low).dtype == torch.float32
    assert bound(low, codes.bfloat16()).dtype == torch.float32
    assert under(low).item() == pytest.approx(bound(low.double(), codes.double()).item(), abs=1e-5)
    compiled = torch.compile(grad(under), backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(said), grad(under)(said))


@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize("shapes", [((5, 3), (5,)), ((5, 3), (4, 3)), ((5, 3), (5, 2)), ((5,), (5,))])
def test_other_shapes_are_refused(
    bound: Callable[[Tensor, Tensor], Tensor], shapes: tuple[tuple[int, ...], tuple[int, ...]]
) -> None:
    said, codes = map(torch.zeros, shapes)
    with pytest.raises(ValueError, match=rf"{shapes[1]}".replace("(", r"\(").replace(")", r"\)")):
        bound(said, codes)
