"""Modes by a classifier's verdicts: how many classes a generator reaches, and how unevenly."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class ModeCount:
    """How samples spread over modes.

    Attributes:
        samples: Number of samples.
        modes: Number of modes that there are.
        covered: Modes with at least one sample.
        divergence: KL(histogram of the samples || reference), the reverse KL, in nats, at least 0; infinite if a sample
            fell into a mode that the reference gives no weight.
    """

    samples: int
    modes: int
    covered: int
    divergence: float


def reverse_kl(counts: Tensor, reference: Tensor) -> float:
    """KL(counts / sum || reference / sum) in nats, both (M,) and not negative; infinite off the support."""
    p, q = counts.to(torch.float64) / counts.sum(), reference.to(torch.float64) / reference.sum()
    if bool(((q == 0) & (p > 0)).any()):
        return math.inf
    ratio = torch.where(p > 0, p / torch.where(q > 0, q, 1), 1)
    return max(0.0, float(torch.xlogy(p, ratio).sum()))


def count_modes(labels: Tensor, modes: int, reference: Tensor | None = None) -> ModeCount:
    """Covered modes and reverse KL of samples whose modes are known; Srivastava et al. 2017 (VEEGAN), arXiv:1705.07761.

    The same protocol as Metz et al. 2017 (arXiv:1611.02163): a mode counts as covered from its first sample on, so the
    number grows with the number of samples, and a classifier that errs finds modes that are not there. State both.

    Args:
        labels: Mode of each sample, whole numbers (N,) in 0 .. modes - 1.
        modes: Number of modes, at least 1.
        reference: Weight of each mode (modes,), as counts or probabilities; by default all modes are equal.

    Raises:
        ValueError: There are no samples; labels are not whole, not (N,), or outside the modes; the reference has
            another length, or negative, infinite or only zero weights.
    """
    if modes < 1:
        raise ValueError(f"there must be at least 1 mode, not {modes}")
    if labels.ndim != 1 or labels.is_floating_point() or labels.is_complex():
        raise ValueError(f"labels must be whole numbers (N,), not {labels.dtype} {tuple(labels.shape)}")
    if len(labels) == 0:
        raise ValueError("no samples: there is nothing to count")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= modes:
        raise ValueError(f"labels must lie in 0 .. {modes - 1}, not {low} .. {high}")
    counts = torch.bincount(labels.long(), minlength=modes).cpu()
    weights = torch.ones(modes) if reference is None else _check_weights(reference, modes)
    return ModeCount(len(labels), modes, int((counts > 0).sum()), reverse_kl(counts, weights))


def _check_weights(reference: Tensor, modes: int) -> Tensor:
    """The reference on the CPU, if it is a set of weights."""
    if tuple(reference.shape) != (modes,):
        raise ValueError(f"the reference must give one weight to each of {modes} modes, not {tuple(reference.shape)}")
    weights = reference.detach().to("cpu", torch.float64)
    if not bool(weights.isfinite().all()) or bool((weights < 0).any()) or float(weights.sum()) == 0:
        raise ValueError("the weights of the reference must be finite and not negative, and some must be above 0")
    return weights
