"""Lipschitz constants, in Euclidean norms: exact for a layer, bounds from above and below for a network.

A chain of layers stretches no more than the product of what its layers stretch. How much it really does lies between
that product and the steepest slope that has been seen.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import torch
from torch import Tensor, nn

from zerosum.constraints import SpectralNorm
from zerosum.networks.layers.batch_norm import BatchNorm
from zerosum.networks.layers.layer_norm import LayerNorm

Shape = Sequence[int]  # of one sample, without the batch
Constant = Callable[[nn.Module, Shape], float]
TOLERANCE = 1e-7
MOST = 20_000  # steps of a power iteration


@dataclass(frozen=True)
class Bound:
    """An upper bound on the Lipschitz constant of a chain of layers.

    Attributes:
        layers: Name and constant of each layer, such as ("0 Linear", 1.5), in order.
        total: Product of the constants.
    """

    layers: tuple[tuple[str, float], ...]
    total: float


def matrix_constant(weight: Tensor) -> float:
    """The Lipschitz constant of x -> W x: the largest singular value of W, by SVD.

    Args:
        weight: W, (m, n).

    Raises:
        ValueError: W is not a matrix.
    """
    if weight.dim() != 2:
        raise ValueError(f"weight must be a matrix (m, n), not of shape {tuple(weight.shape)}")
    return float(torch.linalg.svdvals(weight.detach().double())[0])


def operator_constant(
    function: Callable[[Tensor], Tensor], shape: Shape, *, tolerance: float = TOLERANCE, seed: int = 0
) -> float:
    """The Lipschitz constant of an affine map f, by power iteration on A^T A, where A x = f(x) - f(0).

    Neither A nor its transpose is built: A^T y is the derivative of <A x, y>.

    Args:
        function: Map f of batches in float64, (1, *shape) -> (1, ...).
        shape: Shape of one input.
        tolerance: Relative error at which the iteration stops: |A^T A v - s^2 v| <= tolerance s^2, with |v| = 1.
        seed: Seed of the vector to begin with.

    Raises:
        ArithmeticError: The iteration has not converged in 20,000 steps.
    """
    rng = torch.Generator().manual_seed(seed)
    v = torch.randn(1, *shape, dtype=torch.float64, generator=rng)
    with torch.no_grad():
        offset = function(torch.zeros_like(v))
    # The map is affine: its derivative is the same everywhere, so one graph serves for all steps.
    pulled: Any = torch.func.vjp(function, v)
    transpose = pulled[1]
    for step in count():
        v = v / v.norm()
        with torch.no_grad():
            moved = function(v) - offset
        square = float(moved.square().sum())
        if square == 0:
            return 0.0
        back = transpose(moved)[0].detach()
        if float((back - square * v).norm()) <= tolerance * square:
            return math.sqrt(square)
        if step == MOST:
            raise ArithmeticError(
                f"the power iteration has not converged to {tolerance:g} in {MOST} steps; allow a larger tolerance"
            )
        v = back
    raise AssertionError("not reached")


def layer_constant(layer: nn.Module, shape: Shape, *, known: Mapping[type[nn.Module], Constant] | None = None) -> float:
    """The Lipschitz constant of one layer, on inputs of one size.

    It is exact for linear layers (SVD), convolutions, transposed convolutions and average pooling (power iteration on
    the operator itself, with its stride, padding and groups), batch normalisation in evaluation mode (max |gamma| /
    sqrt(var + eps)), layer normalisation and elementwise activations.

    Args:
        layer: Layer in the mode in which it is used.
        shape: Shape of one input.
        known: Constants of further kinds of layer, ``{Kind: lambda layer, shape: ...}``.

    Raises:
        TypeError: Nothing is known of this kind of layer.
        ValueError: The layer is batch normalisation in training mode, which is not a function of one sample.
    """
    table = {**CONSTANTS, **(known or {})}
    for kind in type(layer).__mro__:
        if kind in table:
            return table[kind](layer, shape)
    raise TypeError(
        f"no Lipschitz constant is known of {type(layer).__name__}; known: "
        f"{', '.join(sorted(kind.__name__ for kind in table))}. Pass it as known={{{type(layer).__name__}: ...}}"
    )


def product_bound(
    layers: Iterable[nn.Module], shape: Shape, *, known: Mapping[type[nn.Module], Constant] | None = None
) -> Bound:
    """Lip(g o f) <= Lip(g) Lip(f): the product over a chain of layers. Miyato et al. 2018 (arXiv:1802.05957), Eq. 7.

    Args:
        layers: Layers in the order in which they are applied (``nn.Sequential`` is such a chain, also within another).
        shape: Shape of one input of the first.
        known: Constants of further kinds of layer, as for :func:`layer_constant`.

    Raises:
        TypeError: Nothing is known of one of the layers.
        ValueError: One of them is batch normalisation in training mode.
    """
    found: list[tuple[str, float]] = []
    total = 1.0
    x = torch.zeros(1, *shape, dtype=torch.float64)
    for i, layer in enumerate(_flat(layers)):
        constant = layer_constant(layer, x.shape[1:], known=known)
        found.append((f"{i} {type(layer).__name__}", constant))
        total *= constant
        with torch.no_grad():
            x = _double(layer)(x)
    return Bound(tuple(found), total)


def largest_gradient(function: Callable[[Tensor], Tensor], points: Tensor) -> float:
    """A lower bound: the largest norm of the Jacobian over some points.

    Args:
        function: Map of batches, (B, ...) -> (B, ...) or (B,), that treats each sample by itself.
        points: Points at which to look, (N, ...).
    """

    def one(x: Tensor) -> Tensor:
        return function(x[None])[0].flatten()

    slopes = torch.func.vmap(torch.func.jacrev(one))(points).detach().double()
    return float(torch.linalg.matrix_norm(slopes.flatten(2), 2).max())


def largest_quotient(function: Callable[[Tensor], Tensor], x: Tensor, y: Tensor) -> float:
    """A lower bound: the largest |f(x) - f(y)| / |x - y| over some pairs.

    Args:
        function: Map f of batches, (B, ...) -> (B, ...) or (B,).
        x: First point of each pair, (N, ...).
        y: Second point of each pair, (N, ...); pairs of equal points do not count.

    Raises:
        ValueError: No pair has two different points.
    """
    with torch.no_grad():
        far, near = (function(x) - function(y)).double(), (x - y).double()
    top, bottom = far.reshape(len(x), -1).norm(dim=1), near.reshape(len(x), -1).norm(dim=1)
    apart = bottom > 0
    if not apart.any():
        raise ValueError("every pair in x, y is twice the same point; give different ones")
    return float((top[apart] / bottom[apart]).max())


def _affine(layer: nn.Module, shape: Shape) -> float:
    return operator_constant(_double(layer), shape)


def _linear(layer: nn.Module, shape: Shape) -> float:
    weight: Tensor = layer.get_parameter("weight")
    return matrix_constant(weight)


def _spectral(layer: nn.Module, shape: Shape) -> float:
    """By SVD for a linear layer. For a convolution, the norm 1 of its reshaped weight is not its constant."""
    assert isinstance(layer, SpectralNorm)
    weight = layer.weight.detach().double() / layer.sigma().detach().double()
    return matrix_constant(weight) if weight.dim() == 2 else _affine(layer, shape)


def _batch_norm(layer: nn.Module, shape: Shape) -> float:
    assert isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d | BatchNorm)
    variance = layer.running_var
    if layer.training or variance is None:
        raise ValueError(
            "batch normalisation in training mode depends on the whole batch, and so has no Lipschitz constant per "
            "sample; call eval() first"
        )
    gain = torch.ones_like(variance) if layer.weight is None else layer.weight.detach()
    return float((gain.double().abs() / (variance.double() + layer.eps).sqrt()).max())


def _layer_norm(layer: nn.Module, shape: Shape) -> float:
    """|diag(gamma) P| / sqrt(eps), with P x = x - mean(x): the slope is largest where all inputs are equal.

    The Jacobian is diag(gamma) (P - z z^T / n) / s, where s = sqrt(var + eps) and z is the normalised input. Since z
    lies in the range of P and |z|^2 <= n, it is diag(gamma) P M / s with |M| <= 1, and diag(gamma) P / sqrt(eps) at
    var = 0.
    """
    assert isinstance(layer, nn.LayerNorm | LayerNorm)
    normalised = tuple(layer.normalized_shape) if isinstance(layer, nn.LayerNorm) else tuple(shape)
    gain = torch.ones(normalised, dtype=torch.float64)
    if layer.weight is not None:
        weight = layer.weight.detach().double()
        per_channel = isinstance(layer, LayerNorm)
        gain = gain * (weight.reshape(-1, *[1] * (len(normalised) - 1)) if per_channel else weight)
    return operator_constant(lambda x: gain * (x - x.mean()), normalised) / math.sqrt(layer.eps)


def _constant(value: float) -> Constant:
    return lambda layer, shape: value


def _leaky(layer: nn.Module, shape: Shape) -> float:
    assert isinstance(layer, nn.LeakyReLU)
    return max(1.0, abs(layer.negative_slope))


CONSTANTS: dict[type[nn.Module], Constant] = {
    nn.Linear: _linear,
    SpectralNorm: _spectral,
    nn.Conv2d: _affine,
    nn.ConvTranspose2d: _affine,
    nn.AvgPool2d: _affine,
    nn.BatchNorm1d: _batch_norm,
    nn.BatchNorm2d: _batch_norm,
    BatchNorm: _batch_norm,
    nn.LayerNorm: _layer_norm,
    LayerNorm: _layer_norm,
    nn.LeakyReLU: _leaky,
    nn.ReLU: _constant(1.0),
    nn.Tanh: _constant(1.0),
    nn.Sigmoid: _constant(0.25),
    nn.Softplus: _constant(1.0),
    nn.Flatten: _constant(1.0),
    nn.Identity: _constant(1.0),
}
"""Constants by kind of layer. The derivative of softplus is a sigmoid, at most 1; that of a sigmoid is at most 1/4."""


def _flat(layers: Iterable[nn.Module]) -> Iterable[nn.Module]:
    for layer in layers:
        if isinstance(layer, nn.Sequential):
            yield from _flat(layer)
        else:
            yield layer


def _double(layer: nn.Module) -> nn.Module:
    return copy.deepcopy(layer).eval().double()  # or each look would renew singular vectors
