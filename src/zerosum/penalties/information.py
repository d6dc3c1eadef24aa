"""What samples tell of the codes they were made from: lower bounds on mutual information.

For any distribution Q(c|x), I(c; x) >= E log Q(c|x) + H(c), with equality where Q is the posterior P(c|x). In nats. A
player that should raise the information minimises the negative of these. Each is a mean over samples, so that parts of
a batch make the same mean (what couples the samples in InfoGAN is the batch norm of its networks).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from zerosum.precision import in_float32

ENTROPY = math.log(2)  # of one code, uniform on [-1, 1]


def categorical_information(logits: Tensor, codes: Tensor, entropy: float | None = None) -> Tensor:
    """Eq. 5, Chen et al. 2016 (arXiv:1606.03657), for a categorical code: L_I = E log Q(c|x) + H(c).

    Args:
        logits: Logits of Q(c|x) for samples x = G(z, c), (B, K).
        codes: Codes c that the samples were made from, one-hot, (B, K).
        entropy: Entropy H(c) in nats. None: log K, all codes equally likely.

    Returns:
        A scalar <= H(c): H(c) where Q is sure and right, 0 where Q(c|x) = P(c), below 0 where it misleads.

    Raises:
        ValueError: The shapes differ.
    """
    _check_same("logits", logits, codes)
    prior = math.log(logits.shape[1]) if entropy is None else entropy
    return prior - in_float32(F.cross_entropy, logits, codes)


def gaussian_information(mean: Tensor, codes: Tensor, log_std: Tensor | float = 0.0) -> Tensor:
    """Eq. 5, Chen et al. 2016 (arXiv:1606.03657), for independent codes c ~ U[-1, 1] and Q = N(mean, std^2).

    L_I = sum over codes of E log N(c; mean, std^2) + log 2. With std fixed at 1, as in the authors' code for MNIST, it
    is at most log 2 - log(2 pi) / 2 = -0.226 per code: its gradient teaches, its value tells nothing.

    Args:
        mean: Means of Q for samples x = G(z, c), (B, codes).
        codes: Codes c that the samples were made from, of the same shape, in [-1, 1].
        log_std: Logarithm of Q's standard deviation: a number, or one for each code, (B, codes).

    Returns:
        A scalar; without upper limit where std may shrink, as the information of a continuous code is.

    Raises:
        ValueError: The shapes differ.
    """
    _check_same("mean", mean, codes)

    def bound(m: Tensor, c: Tensor, log: Tensor) -> Tensor:
        log_density = -((c - m) * torch.exp(-log)).square() / 2 - log - math.log(2 * math.pi) / 2
        return (log_density + ENTROPY).sum(1).mean()

    return in_float32(bound, mean, codes, torch.zeros_like(mean) + log_std)


def _check_same(name: str, said: Tensor, codes: Tensor) -> None:
    if said.dim() != 2 or said.shape != codes.shape:
        raise ValueError(
            f"{name} of shape {tuple(said.shape)} and codes of shape {tuple(codes.shape)} must be the same, a row per "
            "sample (a categorical code is one-hot)"
        )
