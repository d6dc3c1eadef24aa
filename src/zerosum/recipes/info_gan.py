"""InfoGAN. Chen et al. 2016, arXiv:1606.03657, Eq. 6, with the codes that it has for MNIST.

Some of the latents are codes, and Q, which shares the critic's trunk, tells from a sample which codes it was made from.
As in the authors' code, the bound on the information is raised by both players: D moves Q with the trunk, G itself.

Departures from the paper: leaky ReLU of slope 0.2 in all networks and tanh for the images, as in Lucic et al. 2018,
arXiv:1711.10337, which compares GANs on these networks. On points, MLPs without batch norm.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zerosum.core.game import Game, Memory, Nets, Player, Terms
from zerosum.core.optim import adam
from zerosum.data.base import Data
from zerosum.data.priors import labels, uniform
from zerosum.networks import infogan
from zerosum.networks.heads import Head, split
from zerosum.networks.layers import BatchNorm
from zerosum.networks.pairs import points_pair
from zerosum.objectives import non_saturating
from zerosum.penalties.information import categorical_information, gaussian_information
from zerosum.recipe import Phase, Recipe


class Batch(NamedTuple):
    """Real samples, and what generated ones are made from."""

    x: Tensor
    z: Tensor  # noise, U[-1, 1]
    c: Tensor  # categorical code, one-hot
    u: Tensor  # continuous codes, U[-1, 1]

    @property
    def latent(self) -> Tensor:
        """What the generator takes."""
        return torch.cat([self.z, self.c, self.u], 1)


def recipe(
    data: Data,
    *,
    noise: int = 62,
    categories: int = 10,
    continuous: int = 2,
    info_weight: float = 1.0,
    width: int = 64,
    lr_g: float = 1e-3,
    lr_d: float = 2e-4,
    beta1: float = 0.5,
    batch_size: int = 128,
    steps: int = 5_000,
) -> Recipe:
    """Build the recipe.

    Args:
        data: what to learn; labels are not read.
        noise: dimension of z ~ U[-1, 1], of which nothing need be told from the samples.
        categories: K, values of the categorical code; 8 suit the ring.
        continuous: number of continuous codes, U[-1, 1] each, of which Q guesses with standard deviation 1.
        info_weight: lambda, of the information.
        width: channels of the generator's last hidden layer and of the critic's first; half of Q's hidden units.
        lr_g: Adam's learning rate, of the generator.
        lr_d: Adam's learning rate, of the critic and Q.
        beta1: Adam's momentum.
        batch_size: real samples per update.
        steps: generator updates in all.
    """
    if categories < 2 or min(continuous, noise) < 0:
        given = f"categories={categories}, continuous={continuous}, noise={noise}"
        raise ValueError(f"{given}: must be at least 2, 0 and 0; without codes InfoGAN is ns-gan")
    codes = categories + continuous
    pair = points_pair(data.shape, noise + codes) if data.is_points else images_pair(data.shape, noise + codes, width)
    trunk, logit = split(pair["D"])
    nets = {"G": pair["G"], "trunk": trunk, "D": logit, "Q": Head(logit.inputs, 2 * width, codes)}
    rates = {"G": lr_g, "trunk": lr_d, "D": lr_d, "Q": lr_d}

    def told(n: Nets, h: Tensor, b: Batch) -> Terms:
        q: Tensor = n.Q(h)
        discrete = categorical_information(q[:, :categories], b.c)
        smooth = gaussian_information(q[:, categories:], b.u)
        n.note(information=discrete, information_continuous=smooth)  # the first rises towards log K
        return {"info": -info_weight * (discrete + smooth)}

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        h = n.trunk(n.G(b.latent))
        return {"adv": non_saturating.d(n.D(n.trunk(b.x)), n.D(h)), **told(n, h, b)}

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        h = n.trunk(n.G(b.latent))
        return {"adv": non_saturating.g(None, n.D(h)), **told(n, h, b)}

    players = {"D": Player(("trunk", "D", "Q"), d_loss), "G": Player(("G",), g_loss)}
    game = Game(nets, {name: adam(rate, beta1=beta1) for name, rate in rates.items()}, players)

    def draw(x: Tensor, y: Tensor | None, rng: torch.Generator) -> Batch:
        z, c, u = uniform(len(x), noise, rng), labels(len(x), categories, rng), uniform(len(x), continuous, rng)
        return Batch(x, z, F.one_hot(c, categories).to(z.dtype), u)

    return Recipe((Phase(game, steps),), batch_size, draw, lambda n, rng: draw(torch.empty(n), None, rng).latent)


def images_pair(shape: Sequence[int], latent: int, width: int) -> dict[str, nn.Module]:
    """The paper's generator and critic."""
    g = infogan.Generator(latent, width, shape[1], shape[0], norm=BatchNorm)
    return {"G": g, "D": infogan.Critic(width, shape[1], shape[0], norm=BatchNorm)}
