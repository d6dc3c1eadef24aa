"""Batch normalisation, on one device or over the joined batch of several ranks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from zerosum.precision import wide


def mean_over_ranks(x: Tensor) -> Tensor:
    """The mean of a tensor over all ranks, on each of them; differentiable any number of times. Of one rank: ``x``.

    Its derivative is itself: what rank s contributes to everyone's mean is felt by the losses of all ranks, so the
    incoming gradients are averaged over the ranks too. (Gradients then are those of the sum of the ranks' losses.)
    """
    if _world() == 1:
        return x
    mean: Tensor = _MeanOverRanks.apply(x)  # type: ignore[no-untyped-call]
    return mean


class _MeanOverRanks(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        total = x.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total / _world()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Nothing to keep: the map is linear."""

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return mean_over_ranks(grads[0])


def _world() -> int:
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


class BatchNorm(nn.Module):
    """Algorithm 1, Ioffe and Szegedy 2015 (arXiv:1502.03167): y = weight (x - mean) / sqrt(var + eps) + bias.

    Per channel. Mean and biased variance are the batch's while training and running averages otherwise; these move by
    ``momentum`` towards the batch's mean and unbiased variance. Shapes: (B, C, H, W) or (B, C), kept. The same numbers
    as ``nn.BatchNorm1d`` and ``nn.BatchNorm2d``. The batch is that of one call: of one part, where gradients are
    accumulated.

    Args:
        features: Number of channels.
        eps: Number that is added to the variance.
        momentum: Step of the running averages towards each batch.
        affine: Whether there are weight and bias. Without, they are 1 and 0 (conditional normalisation brings its own).
        across_ranks: Whether the statistics are those of the batches of all ranks, which must be of equal size.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(
        self,
        features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        *,
        affine: bool = True,
        across_ranks: bool = False,
    ) -> None:
        super().__init__()
        if features < 1 or eps <= 0 or not 0 <= momentum <= 1:
            raise ValueError(
                f"features={features}, eps={eps}, momentum={momentum}: features must be at least 1, eps above 0 and "
                "momentum in [0, 1]"
            )
        self.eps, self.momentum, self.across_ranks = eps, momentum, across_ranks
        self.weight = nn.Parameter(torch.ones(features)) if affine else None
        self.bias = nn.Parameter(torch.zeros(features)) if affine else None
        self.register_buffer("running_mean", torch.zeros(features))
        self.register_buffer("running_var", torch.ones(features))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) or (B, C), kept, with each channel normalised."""
        if self.training and self.across_ranks and _world() > 1:
            return self._joined(x)
        return F.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, self.training, self.momentum, self.eps
        )

    def _joined(self, x: Tensor) -> Tensor:
        """The same with statistics over all ranks; the sums are in float32 whatever the precision of ``x``."""
        h = wide(x)
        axes = [0, *range(2, x.dim())]
        # Around the running mean, which all ranks share, so that E[x^2] - E[x]^2 does not cancel.
        shift = self.running_mean.clone().view(-1, *[1] * (x.dim() - 2))
        moments = mean_over_ranks(torch.stack([(h - shift).mean(axes), (h - shift).square().mean(axes)]))
        offset, var = moments[0], (moments[1] - moments[0].square()).clamp_min(0)
        count = x.numel() // x.shape[1] * _world()
        with torch.no_grad():
            mean = self.running_mean + offset
            self.running_mean.lerp_(mean.detach().to(self.running_mean.dtype), self.momentum)
            self.running_var.lerp_((var * (count / (count - 1))).detach().to(self.running_var.dtype), self.momentum)
        spread = [1, -1, *[1] * (x.dim() - 2)]
        y = (h - shift - offset.view(spread)) * torch.rsqrt(var + self.eps).view(spread)
        if self.weight is not None and self.bias is not None:
            y = y * self.weight.view(spread) + self.bias.view(spread)
        return y.to(x.dtype)


def standing_statistics(net: nn.Module, batches: Iterable[tuple[Tensor, ...]]) -> None:
    """Set the running averages of every :class:`BatchNorm` of ``net`` to the mean of its statistics over ``batches``.

    Brock et al. 2019, arXiv:1809.11096, Section 3.1 and Appendix A: so a sample does not depend on the others of its
    batch, and the statistics are those of the latents in use (a truncation has its own). Other layers stay as they
    are; ``net`` ends in the mode that it was in.

    Args:
        net: Network with batch normalisation.
        batches: Arguments with which it is called, all batches of equal size.

    Raises:
        ValueError: It has no batch normalisation, or there are no batches.
    """
    norms = [module for module in net.modules() if isinstance(module, BatchNorm)]
    if not norms:
        raise ValueError(f"{type(net).__name__} has no batch normalisation whose statistics could be taken")
    before = [(norm.training, norm.momentum) for norm in norms]
    count = 0
    try:
        for count, batch in enumerate(batches, 1):
            for norm in norms:
                norm.train()
                norm.momentum = 1 / count  # the mean of all batches so far
            with torch.no_grad():
                net(*batch)
    finally:
        for norm, (training, momentum) in zip(norms, before, strict=True):
            norm.train(training)
            norm.momentum = momentum
    if not count:
        raise ValueError("standing statistics need at least one batch")
