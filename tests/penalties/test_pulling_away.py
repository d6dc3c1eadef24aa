"""The pulling-away term against a loop over pairs, known values, and finite differences."""

import itertools
import math

import pytest
import torch
from torch import Tensor
from torch.func import grad

from zerosum.penalties.pulling_away_term import pulling_away


def by_loop(codes: Tensor) -> float:
    rows, n = codes.tolist(), len(codes)
    total = 0.0
    for a, b in itertools.permutations(rows, 2):
        dot = sum(x * y for x, y in zip(a, b, strict=True))
        total += (dot / (math.hypot(*a) * math.hypot(*b))) ** 2
    return total / (n * (n - 1))


@pytest.mark.parametrize(("n", "size"), [(2, 1), (2, 5), (7, 3), (16, 40)])
def test_it_is_the_mean_over_ordered_pairs(n: int, size: int) -> None:
    torch.manual_seed(n)
    codes = torch.randn(n, size).double() * 3
    assert pulling_away(codes).item() == pytest.approx(by_loop(codes), rel=1e-12)


def test_known_values() -> None:
    assert pulling_away(torch.randn(1, 6).expand(5, 6)).item() == pytest.approx(1, abs=1e-6)
    assert pulling_away(torch.tensor([[1.0, 2.0], [-3.0, -6.0]])).item() == pytest.approx(1)  # opposite is parallel
    assert pulling_away(torch.eye(4) * torch.tensor([[1.0], [2.0], [0.1], [30.0]])).item() == 0
    half = torch.tensor([[1.0, 0.0], [0.5, math.sqrt(3) / 2]])  # 60 degrees
    assert pulling_away(half).item() == pytest.approx(0.25)


def test_lengths_do_not_matter() -> None:
    codes = torch.randn(6, 4).double()
    scaled = codes * torch.tensor([1e-6, 1.0, 3.0, 1e5, -2.0, 0.3]).double()[:, None]
    torch.testing.assert_close(pulling_away(scaled), pulling_away(codes))
    # So the derivative is orthogonal to each code.
    assert (grad(pulling_away)(codes) * codes).sum(1).abs().max() < 1e-12


def test_descending_it_spreads_codes() -> None:
    codes = torch.tensor([[1.0, 0.1], [1.0, -0.1]])
    moved = codes - 0.1 * grad(pulling_away)(codes)
    assert moved[0, 1] > 0.1
    assert moved[1, 1] < -0.1
    assert pulling_away(moved) < pulling_away(codes)


def test_derivatives() -> None:
    torch.manual_seed(0)
    codes = torch.randn(4, 3).double().requires_grad_()
    assert torch.autograd.gradcheck(pulling_away, (codes,))
    assert torch.autograd.gradgradcheck(pulling_away, (codes,))


def test_codes_of_zeros_have_no_direction() -> None:
    codes = torch.tensor([[0.0, 0.0], [1.0, 2.0], [2.0, 4.0]])
    assert pulling_away(codes).item() == pytest.approx(2 / 6)  # one parallel pair, counted twice, of six
    for given in (codes, torch.zeros(3, 2)):
        slope = grad(pulling_away)(given)
        assert slope.isfinite().all()
        assert not slope[0].any()
        assert grad(lambda c: grad(pulling_away)(c).square().sum())(given).isfinite().all()
    assert pulling_away(torch.zeros(3, 2)).item() == 0


def test_in_float32_under_autocast() -> None:
    torch.manual_seed(0)
    codes = torch.randn(8, 4)
    with torch.autocast("cpu", torch.bfloat16):
        low, wide = pulling_away(codes.bfloat16()), pulling_away(codes)
    assert low.dtype == torch.float32
    assert torch.equal(wide, pulling_away(codes))
    assert torch.equal(low, pulling_away(codes.bfloat16().float()))


def test_one_code_cannot_be_compared() -> None:
    for shape in ((1, 5), (0, 5), (4,), (2, 3, 4)):
        with pytest.raises(ValueError, match="N at least 2"):
            pulling_away(torch.randn(shape))
