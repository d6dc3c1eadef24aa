"""Largest singular values and orthogonality of many matrices at once, cheap enough to be watched during training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

TOP = 3  # singular values that are reported
BLOCK = 8  # directions that are followed: more than TOP, because the first one left out decides how fast it converges
FIRST, AGAIN = 20, 2  # iterations from random directions, and from those of the previous look


class Spectrum(NamedTuple):
    """A matrix in a few numbers.

    Attributes:
        sigma: Largest singular values in descending order: three, or as many as the matrix has rows or columns.
        orthogonality: Ratio of orthogonality; see :func:`orthogonality`.
    """

    sigma: list[float]
    orthogonality: float


def as_matrix(weight: Tensor, *, transposed: bool = False) -> Tensor:
    """A weight (out, in, ...) as an (out, in * kh * kw) matrix, in float32 unless the weight is float64.

    Args:
        weight: Weight of two dimensions or more.
        transposed: Whether the weight is that of a transposed convolution, stored as (in, out / groups, kh, kw). The
            rows of its matrix are the out / groups channels, and the columns in * kh * kw, as for other layers.
    """
    rows = weight.transpose(0, 1) if transposed else weight
    return (rows if rows.dtype == torch.float64 else rows.float()).flatten(1)


def orthogonality(matrix: Tensor) -> Tensor:
    """Ratio of orthogonality, ||W W^T * (1 - I)||_F / ||W W^T||_F: the part of W W^T that is off its diagonal.

    This definition is ours. The numerator is what the orthogonal regularisation of Brock et al. 2019
    (arXiv:1809.11096, Eq. 3) squares and adds to the loss; dividing makes it independent of scale.

    Args:
        matrix: W, (m, n).

    Returns:
        A scalar: 0 for rows at right angles (and for a matrix of zeros), at most sqrt(1 - 1 / m), which m parallel
        rows of one length have. More rows than columns cannot all be at right angles.
    """
    rows, columns = matrix.shape
    if rows <= columns:
        gram = matrix @ matrix.t()
        off, whole = gram - torch.diag(gram.diagonal()), gram
        ratio: Tensor = off.norm() / whole.norm().clamp_min(torch.finfo(matrix.dtype).tiny)
        return ratio
    # The same numbers from W^T W, which is smaller: its norm is that of W W^T, on whose diagonal are the squared
    # lengths of the rows.
    square = (matrix.t() @ matrix).square().sum()
    diagonal = matrix.square().sum(1).square().sum()
    return ((square - diagonal).clamp_min(0) / square.clamp_min(torch.finfo(matrix.dtype).tiny)).sqrt()


def random_basis(matrix: Tensor, rng: torch.Generator) -> Tensor:
    """Orthonormal directions to start from, (n, k), where k is :data:`BLOCK` or as much as the matrix allows.

    Args:
        matrix: W, (m, n).
        rng: Generator on the CPU, so that all devices start from the same directions.
    """
    m, n = matrix.shape
    start = torch.randn(n, min(BLOCK, m, n), generator=rng, dtype=matrix.dtype)
    basis: Tensor = torch.linalg.qr(start)[0]
    return basis.to(matrix.device)


def subspace_iteration(matrix: Tensor, basis: Tensor, times: int) -> tuple[Tensor, Tensor]:
    """Power iteration on several directions at once, kept orthonormal: V <- orth(W^T orth(W V)), ``times`` times.

    It is known as subspace, orthogonal or block power iteration (Golub and Van Loan, Matrix Computations, Section
    8.2.4). Each iteration multiplies the error of sigma_i by (sigma_k / sigma_i)^2, where sigma_k is the first value
    left out.

    Args:
        matrix: W, (m, n).
        basis: V, (n, k), with orthonormal columns.
        times: Number of iterations.

    Returns:
        R, (k, k), whose singular values estimate the k largest ones of W from below; and the new V.
    """
    for _ in range(times):
        image = torch.linalg.qr(matrix @ basis)[0]
        basis = torch.linalg.qr(matrix.t() @ image)[0]
    return torch.linalg.qr(matrix @ basis, mode="r")[1], basis


def spectra(
    matrices: Mapping[str, Tensor], bases: Mapping[str, Tensor], times: int
) -> tuple[dict[str, Spectrum], dict[str, Tensor]]:
    """The :class:`Spectrum` of every matrix, and directions to start from next time, in one transfer from the device.

    Args:
        matrices: Matrices, (m, n) each, by name, on one device.
        bases: Directions to start from, by the same names; see :func:`random_basis`.
        times: Number of iterations.

    Returns:
        Spectra and bases, by name. A matrix that is not finite has a spectrum of NaN, and keeps its old basis.
    """
    if not matrices:
        return {}, {}
    finals, rows = {}, []
    for name, matrix in matrices.items():
        triangle, finals[name] = subspace_iteration(matrix, bases[name], times)
        room = BLOCK - len(triangle)
        square = torch.nn.functional.pad(triangle, (0, room, 0, room))  # zeros add singular values of zero
        rows.append(torch.cat([square.flatten(), orthogonality(matrix)[None]]).double())
    numbers = torch.stack(rows).cpu()
    sound = numbers.isfinite().all(1)
    squares = numbers[:, :-1].nan_to_num(0, 0, 0).reshape(-1, BLOCK, BLOCK)
    sigmas = torch.linalg.svdvals(squares).masked_fill(~sound[:, None], torch.nan)
    by_name = {}
    for (name, matrix), sigma, ratio, fine in zip(matrices.items(), sigmas, numbers[:, -1], sound, strict=True):
        by_name[name] = Spectrum(sigma[: min(TOP, *matrix.shape)].tolist(), float(ratio) if fine else torch.nan)
        finals[name] = finals[name] if fine else bases[name]
    return by_name, finals
