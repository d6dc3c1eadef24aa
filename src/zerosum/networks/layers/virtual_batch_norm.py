"""Virtual batch normalisation: each sample is compared with a fixed reference batch, and with no other sample.

So it does not matter how a batch is shared out among processes or parts.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zerosum.precision import wide


class VirtualBatchNorm(nn.Module):
    """Section 3.5, Salimans et al. 2016 (arXiv:1606.03498): y_i = weight (x_i - mean_i) / sqrt(var_i + eps) + bias.

    The first R = ``reference`` rows of the input are the reference batch, and are normalised by their own mean and
    biased variance, per channel. For each of the other rows both are those of R + 1 samples, the reference and the row
    itself: E_i[h] = R/(R+1) E_reference[h] + 1/(R+1) E_row[h] for h = x and x^2. Shapes: (R + B, C, H, W) or
    (R + B, C), kept. Training and evaluation are the same function, and there are no running averages.

    Departure: gain and bias are per channel as in batch normalisation; in the authors' code each place of the feature
    map has its own.

    Args:
        features: Number of channels.
        reference: Samples in the reference batch, R.
        eps: Number that is added to the variance.
    """

    def __init__(self, features: int, reference: int, eps: float = 1e-5) -> None:
        super().__init__()
        if features < 1 or reference < 2 or eps <= 0:
            raise ValueError(
                f"features={features}, reference={reference}, eps={eps}: features must be at least 1, reference at "
                "least 2 (one sample has no variance) and eps above 0"
            )
        self.reference, self.eps = reference, eps
        self.weight = nn.Parameter(torch.ones(features))
        self.bias = nn.Parameter(torch.zeros(features))

    def forward(self, x: Tensor) -> Tensor:
        """(R + B, C, H, W) or (R + B, C), kept: the reference normalised, and each other row by it."""
        if x.shape[0] <= self.reference:  # (`len` would fix the size of a batch that is exported)
            raise ValueError(
                f"{x.shape[0]} rows, of which the first {self.reference} are the reference batch: put it before the "
                "samples (`Referenced` does)"
            )
        h = wide(x)  # as F.batch_norm under autocast
        places = list(range(2, x.dim()))
        means = _mean(h, places)
        variances = _mean((h - means).square(), places)
        head, tail = means[: self.reference], means[self.reference :]
        centre = head.mean(0, keepdim=True)
        spread = variances[: self.reference].mean(0, keepdim=True) + (head - centre).square().mean(0, keepdim=True)
        # The variance of a mixture is the mean variance and the variance of the means: nothing cancels.
        share = 1 / (self.reference + 1)
        apart = tail - centre
        mean = torch.cat([centre.expand_as(head), centre + share * apart])
        variance = torch.cat(
            [
                spread.expand_as(head),
                (1 - share) * spread + share * variances[self.reference :] + share * (1 - share) * apart.square(),
            ]
        )
        channels = [1, -1, *[1] * len(places)]
        y = (h - mean) * torch.rsqrt(variance + self.eps) * self.weight.view(channels) + self.bias.view(channels)
        return y.to(x.dtype)


def _mean(x: Tensor, places: list[int]) -> Tensor:
    return x.mean(places, keepdim=True) if places else x  # of no axes, torch takes the mean over all


class Referenced(nn.Module):
    """A generator with virtual batch norm, called like any other: it puts the reference batch first by itself.

    The reference latents are a buffer: fixed when it is built, and saved with it.

    Args:
        net: Network from latents (R + B, latent) to samples, with :class:`VirtualBatchNorm` layers of ``reference`` R.
        latents: Latents of the reference, (R, latent).
    """

    latents: Tensor

    def __init__(self, net: nn.Module, latents: Tensor) -> None:
        super().__init__()
        sizes = {m.reference for m in net.modules() if isinstance(m, VirtualBatchNorm)}
        if sizes != {len(latents)}:
            raise ValueError(
                f"{len(latents)} reference latents, but the network's virtual batch norms expect "
                f"{', '.join(map(str, sorted(sizes))) or 'none: it has no such layer'}"
            )
        self.net = net
        self.register_buffer("latents", latents.detach().clone())

    def forward(self, z: Tensor) -> Tensor:
        """(B, latent) -> samples (B, ...), each a function of its own latent only."""
        out: Tensor = self.net(torch.cat([self.latents.to(z.dtype), z]))
        return out[self.latents.shape[0] :]
