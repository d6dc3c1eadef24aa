"""The pulling-away term: a penalty on codes of generated samples that point the same way."""

from __future__ import annotations

import torch
from torch import Tensor

from zerosum.precision import in_float32


def pulling_away(codes: Tensor) -> Tensor:
    """Section 2.4, Zhao et al. 2017 (arXiv:1609.03126), without its weight: the mean squared cosine of two codes.

    f(S) = 1 / (N (N - 1)) sum_i sum_(j != i) (S_i . S_j / (|S_i| |S_j|))^2. The square counts opposite codes as alike;
    some published ports leave it out. A code of zeros has no direction: its cosines count as 0, with derivative 0.

    It compares the samples of one call: on parts of a batch (of several processes, or where gradients are accumulated)
    those of each part. Being a mean over pairs, it expects the same of parts as of the batch; a part needs 2 samples.

    Args:
        codes: Codes S of one batch of generated samples, (N, S), N at least 2.

    Returns:
        A scalar in [0, 1]: 0 if all codes are orthogonal, 1 if all are parallel.
    """
    if codes.dim() != 2 or len(codes) < 2:
        raise ValueError(f"codes of shape {tuple(codes.shape)}: needs (N, S) with N at least 2, to compare two of them")
    return in_float32(_mean_squared_cosine, codes)


def _mean_squared_cosine(codes: Tensor) -> Tensor:
    n = len(codes)
    squares = codes.square().sum(1, keepdim=True)
    # The norm has no derivative at 0, and the other branch of a `where` would turn it into NaN.
    directions = codes / torch.where(squares == 0, 1.0, squares).sqrt()
    cosines = directions @ directions.T
    others = 1 - torch.eye(n, dtype=codes.dtype, device=codes.device)
    return (cosines.square() * others).sum() / (n * (n - 1))
