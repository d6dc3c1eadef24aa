"""CT-GAN. Wei et al. 2018, arXiv:1803.01541: WGAN-GP with a consistency term on two dropout passes of the same data.

As in the authors' code: dropout acts wherever the critic runs, after its last three residual blocks at 32 and 64 pixels
(0.2, 0.5, 0.5), after each layer of DCGAN's and of MLPs (0.5); G's batch is twice the critic's; lr decays to 0.
Departures: no labels, and the settings of 32 pixels throughout.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from zerosum.core.game import Game, Memory, Nets, Player, Terms
from zerosum.core.optim import adam, linear_decay
from zerosum.data.base import Data
from zerosum.data.priors import normal
from zerosum.networks import dcgan, mlp, resnet
from zerosum.networks.common import he_normal
from zerosum.networks.heads import split
from zerosum.networks.layers import LayerNorm
from zerosum.networks.layers.dropout import Dropout
from zerosum.objectives import wasserstein
from zerosum.penalties.consistency import Seen, consistency
from zerosum.penalties.gradient import wgan_gp
from zerosum.recipe import Phase, Recipe


class Batch(NamedTuple):
    """The random variables of one update; dropout draws from torch's own generator."""

    x: Tensor  # real samples
    z: Tensor  # latents, N(0, I), twice as many
    eps: Tensor  # U[0, 1] per sample


def recipe(
    data: Data,
    *,
    latent: int = 128,
    width: int | None = None,
    lr: float = 2e-4,
    beta1: float = 0.0,
    beta2: float = 0.9,
    n_critic: int = 5,
    penalty_weight: float = 10.0,
    consistency_weight: float = 2.0,
    margin: float = 0.0,
    batch_size: int = 64,
    steps: int = 100_000,
) -> Recipe:
    """Build the recipe.

    Args:
        data: what to learn.
        latent: dimension of z ~ N(0, I).
        width: channels of the networks. None: 128 at 32 pixels, 64 at other sizes, 512 on points.
        lr: Adam's learning rate at the start, of both players.
        beta1: Adam's momentum.
        beta2: Adam's decay of squares.
        n_critic: critic updates per generator update.
        penalty_weight: lambda_1, of the gradient penalty.
        consistency_weight: lambda_2, of the consistency term.
        margin: M', how far two passes may differ at no cost.
        batch_size: real samples per critic update; the generator's batch is twice that.
        steps: generator updates in all.
    """
    generator, critic = networks(data.shape, latent, width)
    features, last = split(critic)  # D_, and the layer after it

    def look(n: Nets, x: Tensor) -> Seen:
        return Seen(n.D(h := n.F(x)), h)

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        fake, one, two = n.G(b.z[: len(b.x)]), look(n, b.x), look(n, b.x)
        return {
            "w": wasserstein.d(one.logits, look(n, fake).logits),
            "gp": penalty_weight * wgan_gp(lambda x: n.D.frozen(n.F.frozen(x)), b.x, fake, b.eps),
            "ct": consistency_weight * consistency(one, two, margin),
        }

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"w": wasserstein.g(None, look(n, n.G(b.z)).logits)}

    d, g = (adam(linear_decay(lr, 0, turns * steps), beta1=beta1, beta2=beta2) for turns in (n_critic, 1))
    game = Game(
        {"G": generator, "F": features, "D": last},
        opts={"F": d, "D": d, "G": g},
        players={"D": Player(("F", "D"), d_loss, steps=n_critic), "G": Player(("G",), g_loss)},
    )

    def draw(x: Tensor, y: Tensor | None, rng: torch.Generator) -> Batch:
        return Batch(x, normal(2 * len(x), latent, rng), torch.rand(len(x), generator=rng, device=x.device))

    return Recipe((Phase(game, steps),), batch_size, draw, prior=lambda n, rng: normal(n, latent, rng))


def networks(shape: tuple[int, ...], latent: int, width: int | None) -> tuple[nn.Module, nn.Module]:
    """Generator and critic for this shape of data."""
    unit = (512 if len(shape) == 1 else 64) if width is None else width
    if len(shape) == 1:
        hidden, drop = (unit,) * 3, nn.Sequential(nn.ReLU(), Dropout(0.5))
        return mlp.Generator(latent, hidden, shape), mlp.Critic(shape, hidden, activation=drop)
    channels, size, _ = shape
    rates = {32: (0.2, 0.5, 0.5), 64: (0.0, 0.2, 0.5, 0.5)}.get(size)
    if rates is None:
        critic = dcgan.Critic(unit, size, channels, 5, norm=nn.Identity, bias=True, dropout=0.5)
        return dcgan.Generator(latent, unit, size, channels, 5), critic
    plans, norm = resnet.WGAN_GP, nn.Identity if size == 32 else LayerNorm
    residual = resnet.Critic(width, size, channels, plans=plans, norm=norm, dropout=rates, init=he_normal)
    return resnet.Generator(latent, width, size, channels, plans=plans, init=he_normal), residual
