"""Orthogonal regularisation and initialisation against numpy and the closed forms of the gradients."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from zerosum.networks.common import orthogonal as orthogonal_init
from zerosum.penalties.orthogonality import off_diagonal, orthogonal, orthogonal_regularisation

SHAPES = [(3, 5), (5, 3), (4, 2, 3, 3), (1, 4)]
FORMS = [orthogonal, off_diagonal]


def drawn(shape: tuple[int, ...], seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).double()


def rows(weight: Tensor) -> np.ndarray:
    return weight.numpy().reshape(weight.shape[0], -1)


def value(form: Callable[[Tensor], Tensor], weight: Tensor) -> float:
    """By loops over pairs of rows."""
    w = rows(weight)
    total = 0.0
    for i, a in enumerate(w):
        for j, b in enumerate(w):
            if i != j or form is orthogonal:
                total += float(np.dot(a, b) - (i == j)) ** 2
    return total


def slope(form: Callable[[Tensor], Tensor], weight: Tensor) -> np.ndarray:
    """4 (W W^T - I) W, and 4 (W W^T * (1 - I)) W."""
    w = rows(weight)
    one = np.eye(len(w))
    gram = w @ w.T - one if form is orthogonal else (w @ w.T) * (1 - one)
    return 4 * gram @ w


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("form", FORMS)
def test_value_and_gradient(form: Callable[[Tensor], Tensor], shape: tuple[int, ...]) -> None:
    w = drawn(shape).requires_grad_()
    found = form(w)
    assert found.dim() == 0
    assert found.item() == pytest.approx(value(form, w.detach()), rel=1e-12)
    (gradient,) = torch.autograd.grad(found, w)
    np.testing.assert_allclose(rows(gradient), slope(form, w.detach()), rtol=1e-10, atol=1e-10)
    single = w.detach().float()
    assert form(single).item() == pytest.approx(found.item(), rel=1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_first_and_second_derivatives(form: Callable[[Tensor], Tensor]) -> None:
    w = drawn((3, 2, 2, 1)).requires_grad_()
    assert torch.autograd.gradcheck(form, (w,))
    assert torch.autograd.gradgradcheck(form, (w,))


def test_zero_for_orthonormal_and_for_orthogonal_rows() -> None:
    q = torch.linalg.qr(drawn((6, 6)))[0]
    short = q[:4]
    long = torch.tensor([0.1, 2.0, 3.0, 40.0]).double()[:, None] * short
    assert orthogonal(short).item() == pytest.approx(0, abs=1e-20)
    assert off_diagonal(short).item() == pytest.approx(0, abs=1e-20)
    assert off_diagonal(long).item() == pytest.approx(0, abs=1e-20)
    # Squared lengths less 1: -0.99, 3, 8 and 1599.
    assert orthogonal(long).item() == pytest.approx(0.99**2 + 3**2 + 8**2 + 1599**2)


def test_under_autocast_they_are_in_float32() -> None:
    w = drawn((8, 64)).float()
    for form in FORMS:
        with torch.autocast("cpu", torch.bfloat16):
            found = form(w)
        assert found.dtype == torch.float32
        assert torch.equal(found, form(w))


def test_the_authors_pytorch_code_adds_half_of_this_gradient() -> None:
    """It adds 2 beta (W W^T * (1 - I)) W to the gradient: half of 4 beta (...), whatever the weight."""
    beta = 1e-4
    for seed in range(3):
        w = drawn((5, 7), seed).requires_grad_()
        (ours,) = torch.autograd.grad(beta * off_diagonal(w), w)
        product = w.detach() @ w.detach().T
        added = 2 * beta * (product - product.diag().diag()) @ w.detach()
        torch.testing.assert_close(added, ours / 2)


@pytest.mark.parametrize("form", FORMS)
def test_regularise_sums_over_matrices_except_those_named(form: Callable[[Tensor], Tensor]) -> None:
    weights = {
        "first.weight": drawn((3, 5), 1),
        "first.bias": drawn((3,), 2),
        "gamma": drawn((), 3),
        "conv.weight": drawn((4, 2, 3, 3), 4),
        "embedding.weight": drawn((6, 3), 5),
    }
    each = {name: value(form, w) for name, w in weights.items() if w.dim() > 1}
    assert len(each) == 3
    assert orthogonal_regularisation(weights, form).item() == pytest.approx(sum(each.values()))
    without = orthogonal_regularisation(weights, form, skip=("embedding.weight", "conv.weight"))
    assert without.item() == pytest.approx(each["first.weight"])
    if form is off_diagonal:  # which is what it does unless told
        assert torch.equal(orthogonal_regularisation(weights), orthogonal_regularisation(weights, form))
    for empty in ({}, {"bias": drawn((3,))}):
        with pytest.raises(ValueError, match="no weight matrix"):
            orthogonal_regularisation(empty, form)
    with pytest.raises(ValueError, match="no weight matrix"):
        orthogonal_regularisation({"a": drawn((2, 2))}, form, skip=("a",))


@pytest.mark.parametrize(
    "layer", [nn.Linear(5, 8), nn.Linear(8, 5), nn.Conv2d(2, 8, 3), nn.Conv2d(8, 4, 1), nn.Embedding(5, 8)]
)
def test_initial_matrices_have_orthonormal_rows_or_columns(layer: nn.Linear | nn.Conv2d | nn.Embedding) -> None:
    orthogonal_init(layer, 2.0)  # of the gain nothing is seen
    w = rows(layer.weight.detach())
    product = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(product, np.eye(len(product)), atol=1e-5)
    assert getattr(layer, "bias", None) is None or not layer.bias.any()  # type: ignore[union-attr,operator]


def test_initial_weights_differ_and_other_layers_are_left_alone() -> None:
    first, second, norm = nn.Linear(4, 4), nn.Linear(4, 4), nn.BatchNorm1d(4)
    for layer in (first, second, norm):
        orthogonal_init(layer, 1.0)
    assert (first.weight != second.weight).any()
    assert torch.equal(norm.weight, torch.ones(4))
