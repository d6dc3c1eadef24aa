"""Unrolled GAN. Metz et al. 2017, arXiv:1611.02163, Eq. 7-10: the generator foresees K updates of the critic.

G descends -f(theta_G, theta_D^K(theta_G)), f the critic's loss of Goodfellow et al. 2014 and theta_D^K the critic after
K more of its own updates on this batch, Adam's moments included; the derivative goes through all of them. D makes one
ordinary update per turn. Departures from the paper: on points, networks and settings are those of the authors' demo
(github.com/poolio/unrolled_gan), which says that they differ from the paper's; the players take turns, where the demo
asks for both updates at once. On images, DCGAN's networks and learning rate, with layer norm in the critic: batch norm
would let it foresee what an update does through the statistics of one batch. What is foreseen is learnt from the
samples in hand: those of one process, and of one part where a batch is taken in parts, so both change the loss.
"""

import torch
from torch import Tensor, nn

from zerosum.core.game import Memory, Nets, Terms
from zerosum.core.optim import adam
from zerosum.data.base import Data
from zerosum.latent.priors import normal
from zerosum.networks import mlp
from zerosum.networks.layers import LayerNorm
from zerosum.networks.pairs import Pair, dcgan_pair
from zerosum.objectives import minimax
from zerosum.registry import About
from zerosum.systems import Batch, Recipe, two_player

ABOUT = About("Metz et al.", 2017, "1611.02163", objective="minimax")
RENAMED = {"lr": "d_lr"}


def recipe(
    data: Data,
    *,
    unroll: int = 5,
    latent: int = 256,
    width: int | None = None,
    kernel: int = 4,
    d_lr: float | None = None,
    g_lr: float | None = None,
    beta1: float = 0.5,
    batch_size: int | None = None,
    steps: int = 25_000,
) -> Recipe:
    """Maximise the loss that the critic will have after its next updates, which the generator differentiates.

    Args:
        unroll: Updates of the critic that the generator foresees: K. 0 is the minimax GAN. A generator update costs
            about 3 K + 1 times that of K = 0.
        width: Unit of channels: of the generator's last hidden layer and of the critic's first; on points, units of
            each hidden layer. None: 128 on points, 64 on images.
        kernel: Side of the convolutions' kernels, in pixels; not read on points.
        d_lr: Learning rate of the critic: eta, in what is foreseen as well. None: 1e-4 on points, 2e-4 on images.
        g_lr: Learning rate of the generator. None: 1e-3 on points, 2e-4 on images.
        batch_size: Real samples per update. None: 512 on points, 64 on images. The critic's next updates are foreseen
            on all of them; with ``--accumulate``, or on several processes, on each part by itself.
    """

    def f(generator: Nets, critic: Nets, b: Batch) -> Tensor:
        return minimax.d(critic.D(b.x), critic.D(generator.G(b.z)))

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"adv": f(n, n, b)}

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        # Real samples count here: what D answers to them after its updates depends on G.
        return {"adv": -f(n, n.after("D", unroll), b)}

    if unroll < 0:
        raise ValueError(f"unroll={unroll}: the critic cannot be unrolled fewer than 0 times; 0 is the plain GAN")
    points = data.is_points
    return two_player(
        *(points_pair(data.shape, latent, width) if points else images_pair(data.shape, latent, width, kernel)),
        d_loss,
        g_loss,
        d_opt=adam((1e-4 if points else 2e-4) if d_lr is None else d_lr, beta1=beta1),
        g_opt=adam((1e-3 if points else 2e-4) if g_lr is None else g_lr, beta1=beta1),
        latent=normal(latent),
        batch_size=(512 if points else 64) if batch_size is None else batch_size,
        steps=steps,
    )


def points_pair(shape: tuple[int, ...], latent: int, width: int | None) -> Pair:
    """The demo's perceptrons: two hidden layers with tanh, weights orthogonal with gain 1.4 and biases 0."""
    hidden = (128 if width is None else width,) * 2
    generator = mlp.Generator(latent, hidden, shape, activation=torch.tanh)
    critic = mlp.Critic(shape, hidden, activation=torch.tanh)
    for layer in (*generator.layers, generator.last, *critic.layers, critic.last):
        assert isinstance(layer, nn.Linear)
        nn.init.orthogonal_(layer.weight, 1.4)
        nn.init.zeros_(layer.bias)
    return generator, critic


def images_pair(shape: tuple[int, ...], latent: int, width: int | None, kernel: int) -> Pair:
    """DCGAN's networks, with layer norm in the critic."""
    return dcgan_pair(shape, latent, 64 if width is None else width, kernel, norm=LayerNorm)
