"""Singular values and orthogonality against the singular value decomposition, numpy, and by hand."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from zerosum.core.random import generator
from zerosum.runs.spectrum import (
    AGAIN,
    BLOCK,
    FIRST,
    TOP,
    as_matrix,
    orthogonality,
    random_basis,
    spectra,
    subspace_iteration,
)

SHAPES = [(64, 576), (96, 96), (1024, 20), (300, 120)]


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def top(matrix: Tensor) -> Tensor:
    return torch.linalg.svdvals(matrix.double())[:TOP]


def start(*matrices: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    named = {str(i): matrix for i, matrix in enumerate(matrices)}
    return named, {name: random_basis(matrix, generator(0, name)) for name, matrix in named.items()}


def test_the_first_look_is_within_one_percent_where_values_lie_close_together() -> None:
    """Random matrices are the worst case: their largest values differ by a few percent."""
    matrices, bases = start(*(random(*shape, seed=i) for i, shape in enumerate(SHAPES)))
    found, _ = spectra(matrices, bases, FIRST)
    for name, matrix in matrices.items():
        sigma = torch.tensor(found[name].sigma)
        assert sigma.tolist() == pytest.approx(top(matrix).tolist(), rel=0.01)
        assert bool((sigma <= top(matrix) * (1 + 1e-5)).all()), "estimates come from below"


def test_values_that_lie_apart_are_exact() -> None:
    left, right = (torch.linalg.qr(random(n, 30, seed=n))[0] for n in (40, 50))
    matrix = left @ torch.diag(torch.tensor([9.0, 5.0, 3.0, *[0.5] * 27])) @ right.t()
    found, _ = spectra(*start(matrix), 3)
    assert found["0"].sigma == pytest.approx([9, 5, 3], rel=1e-5)


def test_a_warm_start_follows_a_matrix_that_moves() -> None:
    matrix, (_, bases) = random(64, 576), start(random(64, 576))
    _, bases = spectra({"0": matrix}, bases, FIRST)
    cold = start(matrix)[1]
    for i in range(10):
        matrix = matrix + 0.05 * random(64, 576, seed=100 + i)
        found, bases = spectra({"0": matrix}, bases, AGAIN)
        assert found["0"].sigma == pytest.approx(top(matrix).tolist(), rel=0.01)
    from_nothing, _ = spectra({"0": matrix}, cold, AGAIN)
    errors = [abs(s - t) / t for s, t in zip(from_nothing["0"].sigma, top(matrix).tolist(), strict=True)]
    assert max(errors) > 0.02


def test_few_rows_or_columns_give_few_values() -> None:
    matrices, bases = start(random(1, 50), random(2, 50), random(50, 2), random(3, 3))
    found, _ = spectra(matrices, bases, 1)
    assert [len(one.sigma) for one in found.values()] == [1, 2, 2, 3]
    for name, matrix in matrices.items():
        assert found[name].sigma == pytest.approx(top(matrix).tolist(), rel=1e-5)


def test_directions_stay_orthonormal_even_of_a_matrix_of_low_rank() -> None:
    matrix = torch.outer(random(30), random(40))
    triangle, basis = subspace_iteration(matrix, random_basis(matrix, generator(0)), 4)
    assert basis.shape == (40, BLOCK)
    torch.testing.assert_close(basis.t() @ basis, torch.eye(BLOCK), atol=1e-5, rtol=0)
    expected = float(random(30).norm() * random(40).norm())
    assert torch.linalg.svdvals(triangle)[:2].tolist() == pytest.approx([expected, 0], rel=1e-5, abs=1e-4)


def test_zeros_and_what_is_not_finite() -> None:
    broken = random(6, 10)
    broken[0, 0] = math.nan
    matrices, bases = start(torch.zeros(4, 6), broken, torch.eye(4))
    found, after = spectra(matrices, bases, 2)
    assert found["0"] == ([0.0, 0.0, 0.0], 0.0)
    assert all(math.isnan(value) for value in [*found["1"].sigma, found["1"].orthogonality])
    assert after["1"] is bases["1"]
    assert found["2"].sigma == pytest.approx([1, 1, 1])
    assert spectra({}, {}, 2) == ({}, {})


@pytest.mark.parametrize("shape", [(5, 12), (12, 12), (40, 7)])
def test_orthogonality_is_its_formula(shape: tuple[int, int]) -> None:
    w = random(*shape)
    gram = (w.double() @ w.double().t()).numpy()
    expected = np.linalg.norm(gram * (1 - np.eye(len(gram)))) / np.linalg.norm(gram)
    assert float(orthogonality(w)) == pytest.approx(expected, rel=1e-4)
    assert float(orthogonality(7 * w)) == pytest.approx(expected, rel=1e-4)


def test_orthogonality_by_hand() -> None:
    # W W^T = [[1, 1], [1, 2]]: off the diagonal sqrt(2), in all sqrt(7).
    assert float(orthogonality(torch.tensor([[1.0, 0.0], [1.0, 1.0]]))) == pytest.approx(math.sqrt(2 / 7))
    assert float(orthogonality(torch.ones(4, 9))) == pytest.approx(math.sqrt(1 - 1 / 4))
    assert float(orthogonality(torch.tensor([[3.0], [4.0]]))) == pytest.approx(math.sqrt(2 * 144) / 25)
    rows = torch.linalg.qr(random(20, 6))[0].t() * torch.arange(1.0, 7)[:, None]
    assert float(orthogonality(rows)) == pytest.approx(0, abs=1e-6)


def test_a_convolution_has_a_row_for_each_output() -> None:
    conv, up = nn.Conv2d(3, 5, 2), nn.ConvTranspose2d(3, 5, 2)
    plain, turned = as_matrix(conv.weight.detach()), as_matrix(up.weight.detach(), transposed=True)
    assert plain.shape == turned.shape == (5, 12)
    assert plain[4].tolist() == conv.weight[4].flatten().tolist()
    assert turned[4].tolist() == up.weight[:, 4].flatten().tolist()
    laid_out = conv.weight.detach().to(memory_format=torch.channels_last)
    assert torch.equal(as_matrix(laid_out), plain)
    assert as_matrix(plain.double()).dtype == torch.float64
    assert as_matrix(plain.bfloat16()).dtype == torch.float32


def test_starts_are_the_same_every_time_and_leave_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    first, second = (random_basis(torch.zeros(30, 40), generator(0, "watch", "a")) for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), before)
