"""What the four relativistic recipes share: networks, random variables, and both losses for a given objective.

Jolicoeur-Martineau 2018, arXiv:1807.00734. Both players see real and generated samples; each turn is a batch of its
own, so the generator's real samples are fresh, as in the authors' code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from zerosum.core.game import Loss, Memory, Nets, Objective, Terms
from zerosum.data.base import Data
from zerosum.data.priors import normal
from zerosum.networks.layers import BatchNorm, LayerNorm
from zerosum.networks.pairs import dcgan_pair, points_pair
from zerosum.penalties.gradient import wgan_gp


class Batch(NamedTuple):
    """The random variables of one update, of either player."""

    x: Tensor  # real samples
    z: Tensor  # latents, N(0, I)
    eps: Tensor  # U[0, 1] per sample: where the penalty, if any, is taken


def networks(data: Data, latent: int, width: int, kernel: int, penalty_weight: float) -> dict[str, nn.Module]:
    """DCGAN's; with a penalty, the critic has layer norm, so that the slope at a sample is its own. On points, MLPs."""
    norm = LayerNorm if penalty_weight else BatchNorm
    shape = data.shape
    return points_pair(shape, latent) if data.is_points else dcgan_pair(shape, latent, width, kernel, norm=norm)


def losses(objective: Objective, penalty_weight: float) -> tuple[Loss, Loss]:
    """What critic and generator minimise; WGAN-GP's penalty is the critic's, where it has a weight."""

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        fake = n.G(b.z)
        terms = {"adv": objective.d(n.D(b.x), n.D(fake))}
        if penalty_weight:
            terms["gp"] = penalty_weight * wgan_gp(n.D, b.x, fake, b.eps)
        return terms

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"adv": objective.g(n.D(b.x), n.D(n.G(b.z)))}

    return d_loss, g_loss


def drawing(latent: int) -> Callable[[Tensor, Tensor | None, torch.Generator], Batch]:
    """``Recipe.draw``."""

    def draw(x: Tensor, y: Tensor | None, rng: torch.Generator) -> Batch:
        return Batch(x, normal(len(x), latent, rng), torch.rand(len(x), generator=rng, device=x.device))

    return draw
