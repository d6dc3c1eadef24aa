"""Largest singular values and orthogonality of many matrices at once, cheaply enough to be watched during training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

TOP = 3  # singular values told
BLOCK = 8  # directions followed: more than are told, because convergence goes by the first one left out
FIRST, AGAIN = 20, 2  # iterations from random directions, and from those of the look before


class Spectrum(NamedTuple):
    """A matrix in a few numbers.

    Attributes:
        sigma: its largest singular values, the largest first: three, or as many as it has rows or columns.
        orthogonality: see :func:`orthogonality`.
    """

    sigma: list[float]
    orthogonality: float


def as_matrix(weight: Tensor, *, transposed: bool = False) -> Tensor:
    """A weight (out, in, ...) as an (out, in * kh * kw) matrix, float32 unless it has more.

    Args:
        weight: of two dimensions or more.
        transposed: of a transposed convolution, whose weight is stored (in, out / groups, kh, kw): the rows of its
            matrix are then the out / groups channels, and the columns in * kh * kw, as for the other layers.
    """
    rows = weight.transpose(0, 1) if transposed else weight
    return (rows if rows.dtype == torch.float64 else rows.float()).flatten(1)


def orthogonality(matrix: Tensor) -> Tensor:
    """Ratio of orthogonality, ||W W^T * (1 - I)||_F / ||W W^T||_F: what rows share, of all that they have.

    Our definition: the numerator is what the orthogonal regularisation of Brock et al. 2019 (arXiv:1809.11096, Eq. 3)
    squares and adds to the loss; dividing makes it independent of scale.

    Args:
        matrix: (m, n).

    Returns:
        A scalar: 0 for rows at right angles (and for a matrix of zeros), at most sqrt(1 - 1 / m) for m parallel rows
        of one length. More rows than columns cannot be at right angles.
    """
    rows, columns = matrix.shape
    if rows <= columns:
        gram = matrix @ matrix.t()
        off, whole = gram - torch.diag(gram.diagonal()), gram
        ratio: Tensor = off.norm() / whole.norm().clamp_min(torch.finfo(matrix.dtype).tiny)
        return ratio
    # The same numbers from W^T W, which is the smaller one: both have one norm, and W W^T has squared lengths of rows
    # on its diagonal.
    square = (matrix.t() @ matrix).square().sum()
    diagonal = matrix.square().sum(1).square().sum()
    return ((square - diagonal).clamp_min(0) / square.clamp_min(torch.finfo(matrix.dtype).tiny)).sqrt()


def random_basis(matrix: Tensor, rng: torch.Generator) -> Tensor:
    """Orthonormal directions to start from, (n, k), for an (m, n) matrix; k is :data:`BLOCK` or what the matrix allows.

    Args:
        matrix: (m, n).
        rng: a generator on the CPU, so that every device starts alike.
    """
    m, n = matrix.shape
    start = torch.randn(n, min(BLOCK, m, n), generator=rng, dtype=matrix.dtype)
    basis: Tensor = torch.linalg.qr(start)[0]
    return basis.to(matrix.device)


def subspace_iteration(matrix: Tensor, basis: Tensor, times: int) -> tuple[Tensor, Tensor]:
    """Power iteration on several directions at once, kept orthonormal: V <- orth(W^T orth(W V)), ``times`` times.

    Known as subspace, orthogonal or block power iteration (Golub and Van Loan, Matrix Computations, Section 8.2.4).
    An error falls each time by (sigma_k / sigma_i)^2, with sigma_k the first value left out.

    Args:
        matrix: W, (m, n).
        basis: V, (n, k), orthonormal columns.
        times: iterations.

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
    """The :class:`Spectrum` of every matrix, and directions to start from next time. Fetched in one transfer.

    Args:
        matrices: (m, n) each, by name, on one device.
        bases: where to start, by the same names; see :func:`random_basis`.
        times: iterations.

    Returns:
        Spectra and bases, by name. A matrix that is not finite has nan throughout, and keeps its old basis.
    """
    if not matrices:
        return {}, {}
    finals, told = {}, []
    for name, matrix in matrices.items():
        triangle, finals[name] = subspace_iteration(matrix, bases[name], times)
        room = BLOCK - len(triangle)
        square = torch.nn.functional.pad(triangle, (0, room, 0, room))  # zeros add singular values of zero
        told.append(torch.cat([square.flatten(), orthogonality(matrix)[None]]).double())
    numbers = torch.stack(told).cpu()
    sound = numbers.isfinite().all(1)
    squares = numbers[:, :-1].nan_to_num(0, 0, 0).reshape(-1, BLOCK, BLOCK)
    sigmas = torch.linalg.svdvals(squares).masked_fill(~sound[:, None], torch.nan)
    found = {}
    for (name, matrix), sigma, ratio, fine in zip(matrices.items(), sigmas, numbers[:, -1], sound, strict=True):
        found[name] = Spectrum(sigma[: min(TOP, *matrix.shape)].tolist(), float(ratio) if fine else torch.nan)
        finals[name] = finals[name] if fine else bases[name]
    return found, finals
