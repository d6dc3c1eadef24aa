"""InfoGAN. Chen et al. 2016, arXiv:1606.03657, Eq. 6, with the codes that it has for MNIST.

Some of the latents are codes, and Q, which reads the critic's features, tells from a sample which codes it was made
from. As in the authors' code, the bound on the information is raised by both players: D moves Q with the critic, G
itself.

Departures from the paper: leaky ReLU of slope 0.2 in all networks and tanh for the images, as in Lucic et al. 2018,
arXiv:1711.10337, which compares GANs on these networks. The critic's convolutions start from N(0, 0.02^2), which the
authors' code cuts off at two deviations. On points, MLPs without batch norm, with PyTorch's initial weights.
"""

import torch
from torch import Tensor

from zerosum.core.game import Game, Memory, Nets, Player, Terms
from zerosum.core.optim import adam
from zerosum.data.base import Data
from zerosum.latent.priors import Coded, one_hot, uniform
from zerosum.networks import infogan
from zerosum.networks.critic import feature_count
from zerosum.networks.heads import Head
from zerosum.networks.layers import BatchNorm
from zerosum.networks.pairs import Pair, points_pair
from zerosum.objectives import non_saturating
from zerosum.penalties.information import categorical_information, gaussian_information
from zerosum.registry import About
from zerosum.systems import Batch, Recipe, system

ABOUT = About("Chen et al.", 2016, "1606.03657", objective="non-saturating", penalty="information")
MOVED = {"trunk/net.": "D/"}


def recipe(
    data: Data,
    *,
    noise: int = 62,
    categories: int = 10,
    continuous: int = 2,
    info_weight: float = 1.0,
    width: int = 64,
    g_lr: float = 1e-3,
    d_lr: float = 2e-4,
    beta1: float = 0.5,
    batch_size: int = 128,
    steps: int = 5_000,
) -> Recipe:
    """Play the non-saturating game, while both players raise the information on the codes that samples carry.

    Args:
        noise: Dimension of the noise, U[-1, 1], of which nothing need be told from the samples.
        categories: Values of the categorical code: K; 8 suit the ring.
        continuous: Number of continuous codes, U[-1, 1] each, of which Q guesses with standard deviation 1.
        info_weight: Weight of the information: lambda.
        width: Unit of channels: of the generator's last hidden layer and of the critic's first; half of Q's units.
        d_lr: Learning rate of the critic, and of Q.
        batch_size: Real samples per update. With ``--accumulate``, or on several processes, each part needs at least 2,
            for batch norm.
    """
    if categories < 2 or min(continuous, noise) < 0:
        given = f"categories={categories}, continuous={continuous}, noise={noise}"
        raise ValueError(f"{given}: must be at least 2, 0 and 0; without codes InfoGAN is ns-gan")
    parts = [noise, categories, continuous]

    def told(n: Nets, features: Tensor, b: Batch) -> Terms:
        _, c, u = torch.split(b.z, parts, 1)
        q: Tensor = n.Q(features)
        discrete = categorical_information(q[:, :categories], c)
        smooth = gaussian_information(q[:, categories:], u)
        n.note(information=discrete, information_continuous=smooth)  # the first rises towards log K
        return {"info": -info_weight * (discrete + smooth)}

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        fake = n.D.judge(n.G(b.z))
        return {"adv": non_saturating.d(n.D(b.x), fake.logits), **told(n, fake.features, b)}

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        fake = n.D.judge(n.G(b.z))
        return {"adv": non_saturating.g(None, fake.logits), **told(n, fake.features, b)}

    latents = Coded(uniform(noise), (one_hot(categories), uniform(continuous)))
    g, d = networks(data.shape, sum(parts), width)
    game = Game(
        {"G": g, "D": d, "Q": Head(feature_count(d), 2 * width, categories + continuous)},
        opts={"G": adam(g_lr, beta1=beta1), "D": adam(d_lr, beta1=beta1), "Q": adam(d_lr, beta1=beta1)},
        players={"D": Player(("D", "Q"), d_loss), "G": Player(("G",), g_loss)},
    )
    return system(game, latent=latents, batch_size=batch_size, steps=steps)


def networks(shape: tuple[int, ...], latent: int, width: int) -> Pair:
    """The paper's generator and critic; on points, MLPs."""
    if len(shape) == 1:
        return points_pair(shape, latent)
    channels, size, _ = shape
    generator = infogan.Generator(latent, width, size, channels, norm=BatchNorm)
    return generator, infogan.Critic(width, size, channels, norm=BatchNorm)
