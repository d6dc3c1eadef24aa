"""GAN-GP and DRAGAN-NS. Fedus et al. 2018, arXiv:1710.08446: the non-saturating game with a gradient penalty.

L_D = -E log D(x) - E log(1 - D(G(z))) + lambda E (|grad D(x^)| - 1)^2 and L_G = -E log D(G(z)). x^ lies between real
and generated samples as in WGAN-GP (GAN-GP), or around real samples as in DRAGAN (``--around data``, DRAGAN-NS).
Departures from the paper: the slope is that of the logit; networks are DCGAN's with layer norm in the critic; the
noise around data is that of DRAGAN's code, and Adam's settings are that code's too. On points, MLPs.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from zerosum.core.game import Game, Memory, Nets, Player, Terms
from zerosum.core.optim import adam
from zerosum.data.base import Data
from zerosum.data.priors import normal
from zerosum.networks.layers import LayerNorm
from zerosum.networks.pairs import dcgan_pair, points_pair
from zerosum.objectives import non_saturating
from zerosum.penalties.gradient import dragan, wgan_gp
from zerosum.recipe import Phase, Recipe


class Batch(NamedTuple):
    """The random variables of one update."""

    x: Tensor  # real samples
    z: Tensor  # latents, N(0, I)
    noise: Tensor  # U[0, 1) of x's shape, for the penalty around data
    eps: Tensor  # U[0, 1] per sample: how far along the line to the other end


def recipe(
    data: Data,
    *,
    around: Literal["between", "data"] = "between",
    latent: int = 100,
    width: int = 64,
    kernel: int = 4,
    lr: float = 1e-4,
    beta1: float = 0.5,
    beta2: float = 0.9,
    penalty_weight: float = 10.0,
    batch_size: int = 64,
    steps: int = 100_000,
) -> Recipe:
    """Build the recipe.

    Args:
        data: what to learn.
        around: where the penalty is taken: between real and generated samples, or around the real data.
        latent: dimension of z ~ N(0, I).
        width: channels of the generator's last hidden layer and of the critic's first; unused on points.
        kernel: of the convolutions, pixels a side.
        lr: Adam's learning rate, of both players.
        beta1: Adam's momentum.
        beta2: Adam's decay of squares.
        penalty_weight: lambda.
        batch_size: real samples per update.
        steps: generator updates in all.
    """
    shape = data.shape
    nets = points_pair(shape, latent) if data.is_points else dcgan_pair(shape, latent, width, kernel, norm=LayerNorm)
    penalties: dict[str, Callable[[Nets, Batch, Tensor], Tensor]] = {
        "between": lambda n, b, fake: wgan_gp(n.D, b.x, fake, b.eps),
        "data": lambda n, b, fake: dragan(n.D, b.x, b.noise, b.eps),
    }
    penalty = penalties[around]

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        fake = n.G(b.z)
        return {"adv": non_saturating.d(n.D(b.x), n.D(fake)), "gp": penalty_weight * penalty(n, b, fake)}

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"adv": non_saturating.g(None, n.D(n.G(b.z)))}

    game = Game(
        nets,
        opts={"D": adam(lr, beta1=beta1, beta2=beta2), "G": adam(lr, beta1=beta1, beta2=beta2)},
        players={"D": Player(("D",), d_loss), "G": Player(("G",), g_loss)},
    )

    def draw(x: Tensor, y: Tensor | None, rng: torch.Generator) -> Batch:
        noise = torch.rand(x.shape, generator=rng, device=x.device)
        eps = torch.rand(len(x), generator=rng, device=x.device)
        return Batch(x, normal(len(x), latent, rng), noise, eps)

    return Recipe((Phase(game, steps),), batch_size, draw, prior=lambda n, rng: normal(n, latent, rng))
