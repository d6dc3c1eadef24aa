"""Energy objectives against closed forms on discrete distributions and sums by hand."""

import math

import pytest
import torch
from torch import Tensor

from zerosum.objectives.energy import balance, boundary_equilibrium, convergence, energy_based

# Multiples of 1/16, so that batches can hold exactly these frequencies.
P = torch.tensor([4, 8, 1, 3], dtype=torch.float64) / 16
Q = torch.tensor([2, 2, 8, 4], dtype=torch.float64) / 16
GAP = (P - Q).abs().sum().item() / 2  # total variation: 8 / 16


def batch(values: Tensor, frequencies: Tensor) -> Tensor:
    """A batch of 16 in which each value occurs as often as its frequency says."""
    return values.repeat_interleave((frequencies * 16).long())


def scalar(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


def test_ebgan_by_hand() -> None:
    real, fake = torch.tensor([0.5, 2.0]), torch.tensor([3.0, 0.25, 1.0, 0.0])
    # Margins left of fake energies are 0, 1.25, .5 and 1.5 for m = 1.5; real energies have none.
    assert energy_based(1.5).d(real, fake).item() == pytest.approx(1.25 + (0 + 1.25 + 0.5 + 1.5) / 4)
    assert energy_based(1.5).g(None, fake).item() == pytest.approx(4.25 / 4)
    assert energy_based().d(real, fake).item() == energy_based(1.0).d(real, fake).item()
    assert not energy_based(1.5).needs_real


def test_ebgan_s_critic_lowers_real_energies_and_raises_generated_ones_up_to_the_margin() -> None:
    real, fake = torch.tensor([0.5, 9.0]), torch.tensor([3.0, 0.25, 1.0, 0.0])
    objective = energy_based(2.0)
    by_real, by_fake = torch.func.grad(objective.d, argnums=(0, 1))(real, fake)
    assert by_real.tolist() == [0.5, 0.5]
    assert by_fake.tolist() == [0.0, -0.25, -0.25, -0.25]
    assert torch.func.grad(lambda f: objective.g(None, f))(fake).tolist() == [0.25] * 4


@pytest.mark.parametrize("m", [0.3, 1.0, 20.0])
def test_ebgan_s_critic_at_its_optimum_is_the_margin_less_total_variation(m: float) -> None:
    d = energy_based(m).d
    # Where p > q the loss p D + q [m - D]+ grows with D, elsewhere it falls up to m.
    best = m * (P < Q).double()
    value = d(batch(best, P), batch(best, Q)).item()
    assert value == pytest.approx(m * (1 - GAP), abs=1e-12)
    torch.manual_seed(0)
    for _ in range(200):
        other = torch.rand(4).double() * 2 * m
        assert d(batch(other, P), batch(other, Q)).item() >= value - 1e-12


@pytest.mark.parametrize("m", [0.3, 1.0, 20.0])
def test_ebgan_in_equilibrium_is_worth_the_margin_at_any_constant_energy_up_to_it(m: float) -> None:
    d = energy_based(m).d
    for share in (0.0, 0.25, 1.0):
        flat = torch.full((4,), share * m, dtype=torch.float64)
        assert d(batch(flat, P), batch(flat, P)).item() == pytest.approx(m, abs=1e-12)
    above = torch.full((4,), 1.5 * m, dtype=torch.float64)
    assert d(batch(above, P), batch(above, P)).item() == pytest.approx(1.5 * m)


@pytest.mark.parametrize("m", [0.0, -1.0, math.nan])
def test_a_margin_that_is_not_positive_is_refused(m: float) -> None:
    with pytest.raises(ValueError, match="margin="):
        energy_based(m)


def test_began_by_hand() -> None:
    real, fake = torch.tensor([0.5, 2.0]), torch.tensor([3.0, 0.25, 1.0, 0.0])
    objective = boundary_equilibrium(torch.tensor(0.4))
    assert objective.d(real, fake).item() == pytest.approx(1.25 - 0.4 * 4.25 / 4)
    assert objective.g(None, fake).item() == pytest.approx(4.25 / 4)
    by_real, by_fake = torch.func.grad(objective.d, argnums=(0, 1))(real, fake)
    assert by_real.tolist() == [0.5, 0.5]
    assert by_fake.tolist() == pytest.approx([-0.1] * 4)
    assert torch.func.grad(lambda f: objective.g(None, f))(fake).tolist() == [0.25] * 4


@pytest.mark.parametrize(
    ("k", "real", "fake", "after"),
    [
        (0.2, 1.0, 0.4, 0.2 + 0.5 * (0.7 * 1.0 - 0.4)),  # generated samples are too easy to reconstruct: k rises
        (0.2, 1.0, 0.8, 0.2 - 0.5 * 0.1),
        (0.2, 1.0, 0.7, 0.2),
        (0.9, 1.0, 0.1, 1.0),
        (0.1, 1.0, 2.0, 0.0),
    ],
)
def test_k_by_hand_and_clipped_at_both_ends(k: float, real: float, fake: float, after: float) -> None:
    assert balance(scalar(k), scalar(real), scalar(fake), 0.7, 0.5).item() == pytest.approx(after, abs=1e-12)


@pytest.mark.parametrize(("fake", "expected"), [(0.4, 2.0 + 1.0), (1.4, 2.0), (3.4, 2.0 + 2.0)])
def test_convergence_by_hand(fake: float, expected: float) -> None:
    assert convergence(scalar(2.0), scalar(fake), 0.7).item() == pytest.approx(expected)


def test_gamma_and_the_rate_of_k_are_checked() -> None:
    one = scalar(1.0)
    for gamma in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match="gamma="):
            balance(one, one, one, gamma, 0.1)
        with pytest.raises(ValueError, match="gamma="):
            convergence(one, one, gamma)
    for gamma in (0.0, 1.0):
        assert balance(one, one, one, gamma, 0.1).isfinite()
    for rate in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="lambda_k"):
            balance(one, one, one, 0.5, rate)


def test_bfloat16_energies_give_float32_losses() -> None:
    real, fake = torch.rand(64).bfloat16(), torch.rand(64).bfloat16()
    for objective in (energy_based(0.5), boundary_equilibrium(torch.tensor(0.3))):
        for side in (objective.d, objective.g):
            loss = side(real, fake)
            assert loss.dtype == torch.float32
            assert loss.item() == pytest.approx(side(real.double(), fake.double()).item(), abs=1e-6)
