"""Orthogonal regularisation of weights. Brock et al. 2017, arXiv:1609.07093, and 2019, arXiv:1809.11096, Eq. 3."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from zerosum.precision import in_float32


def orthogonal(weight: Tensor) -> Tensor:
    """||W W^T - I||_F^2: rows of length 1, each at right angles to the others. Brock et al. 2017 (arXiv:1609.07093).

    Args:
        weight: Weight (out, ...), taken as a matrix with a row for each output.

    Returns:
        A scalar, 0 for orthonormal rows.
    """
    return in_float32(_distance_from_identity, weight.flatten(1))


def off_diagonal(weight: Tensor) -> Tensor:
    """||W W^T * (1 - I)||_F^2: rows at right angles, of any length. Eq. 3, Brock et al. 2019 (arXiv:1809.11096).

    Args:
        weight: Weight (out, ...), taken as a matrix with a row for each output.

    Returns:
        A scalar, 0 for orthogonal rows. (The authors' PyTorch code adds half its gradient, so its strength of 1e-4 is
        5e-5 here.)
    """
    return in_float32(_off_diagonal, weight.flatten(1))


def orthogonal_regularisation(
    weights: Mapping[str, Tensor], form: Callable[[Tensor], Tensor] = off_diagonal, *, skip: tuple[str, ...] = ()
) -> Tensor:
    """The sum of ``form`` over all matrices among ``weights``: R_beta / beta in Eq. 3, Brock et al. 2019.

    Args:
        weights: Weights of a network, by name; biases and gains (fewer than two dimensions) do not count.
        form: Penalty on one matrix: :func:`off_diagonal` or :func:`orthogonal`.
        skip: Names that do not count either, such as the shared embedding's.
    """
    matrices = [w for name, w in weights.items() if w.dim() > 1 and name not in skip]
    if not matrices:
        raise ValueError("orthogonal regularisation: there is no weight matrix")
    return torch.stack([form(w) for w in matrices]).sum()


# With more rows than columns, both come from W^T W, the smaller matrix: it has the norm of W W^T, on whose diagonal are
# the squared lengths of rows.


def _distance_from_identity(w: Tensor) -> Tensor:
    if len(w) > w.shape[1]:
        return (w.t() @ w).square().sum() - 2 * w.square().sum() + len(w)
    return (w @ w.t() - torch.eye(len(w), dtype=w.dtype, device=w.device)).square().sum()


def _off_diagonal(w: Tensor) -> Tensor:
    if len(w) > w.shape[1]:
        return (w.t() @ w).square().sum() - w.square().sum(1).square().sum()
    gram = w @ w.t()
    return (gram - torch.diag(gram.diagonal())).square().sum()
