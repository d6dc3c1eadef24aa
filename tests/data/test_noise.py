"""Instance noise: its strength, its schedule, and the count of iterations that the schedule follows."""

import pytest
import torch

from zerosum.data.augment.noise import annealed, count, instance_noise


def test_noise_is_added_with_its_standard_deviation():
    x, noise = torch.randn(4, 2), torch.randn(4, 2)
    assert torch.equal(instance_noise(x, noise, 0.0), x)
    torch.testing.assert_close(instance_noise(x, noise, torch.tensor(0.3)), x + 0.3 * noise)
    many = instance_noise(torch.zeros(100_000, 2), torch.randn(100_000, 2), 0.25)
    assert many.std().item() == pytest.approx(0.25, rel=0.01)
    with pytest.raises(ValueError, match="noise has shape"):
        instance_noise(x, noise[:1], 0.1)


@pytest.mark.parametrize(("t", "expected"), [(0, 0.5), (1, 0.45), (5, 0.25), (9, 0.05), (10, 0.0), (11, 0.0)])
def test_annealed_is_a_straight_line_to_zero(t: int, expected: float):
    strength = annealed(0.5, 10)
    assert strength(torch.tensor(t)).item() == pytest.approx(expected, abs=1e-7)
    assert strength(torch.tensor(t)).dtype == torch.float32


def test_annealed_at_counts_beyond_float32():
    assert annealed(1.0, 2**26)(torch.tensor(2**25 + 1, dtype=torch.int64)).item() == pytest.approx(0.5)


def test_count_counts_and_keeps_the_rest():
    memory = {"t": torch.zeros((), dtype=torch.int64), "k": torch.tensor(0.5)}
    after = count(count(memory, {}), {"D": {"adv": torch.tensor(1.0)}})
    assert (after["t"].item(), after["k"].item(), memory["t"].item()) == (2, 0.5, 0)
    assert after["t"].dtype == torch.int64


@pytest.mark.parametrize(("std", "steps"), [(-0.1, 10), (0.1, 0)])
def test_refuses_what_means_nothing(std: float, steps: int):
    with pytest.raises(ValueError, match="annealed needs"):
        annealed(std, steps)
