"""f-GAN. Nowozin, Cseke and Tomioka 2016, arXiv:1606.00709, Algorithm 1.

Any f-divergence is minimised: ``--divergence``. ``--method single-step`` is Algorithm 1, in which both players move at
once from the gradient at one point; ``alternating`` is Goodfellow's. ``--generator heuristic`` is Section 3.2.

Departures from the paper: tanh output on images in [-1, 1] instead of a sigmoid; PyTorch's initial weights; MLPs on
images of any size (1200-1200 with batch norm against 240-240 ELU), and no DCGAN networks for large ones. We have not
seen the paper's list of layer sizes and optimizer settings: ours are what it is commonly said to have used. The number
of steps and the default divergence (the one with the highest likelihood of digits in Table 4, save those of the KDE
and VAE references) are our choice. On points, MLPs with three hidden layers.
"""

import math
from typing import Literal

from torch import nn

from zerosum.core.dynamics import Dynamics, simultaneous
from zerosum.core.game import Memory, Nets, Terms
from zerosum.core.optim import adam
from zerosum.data.base import Data
from zerosum.latent.priors import uniform
from zerosum.networks import mlp
from zerosum.networks.layers import BatchNorm
from zerosum.networks.pairs import Pair, points_pair
from zerosum.objectives.f_divergence import f_gan, f_gan_heuristic, named
from zerosum.parts import pick
from zerosum.registry import About
from zerosum.systems import Batch, Recipe, two_player

ABOUT = About("Nowozin, Cseke and Tomioka", 2016, "1606.00709", objective="f-divergence")
Divergence = Literal[
    "total-variation", "kl", "reverse-kl", "pearson", "neyman", "squared-hellinger", "jeffrey", "jensen-shannon",
    "weighted-jensen-shannon", "gan", "alpha",
]  # fmt: skip
GENERATORS = {"variational": f_gan, "heuristic": f_gan_heuristic}
METHODS: dict[str, Dynamics | None] = {"single-step": simultaneous, "alternating": None}


def recipe(
    data: Data,
    *,
    divergence: Divergence = "pearson",
    generator: Literal["variational", "heuristic"] = "variational",
    method: Literal["single-step", "alternating"] = "single-step",
    alpha: float | None = None,
    pi: float | None = None,
    latent: int = 100,
    width: int = 128,
    lr: float = 2e-4,
    beta1: float = 0.5,
    n_critic: int = 1,
    batch_size: int = 4096,
    steps: int = 10_000,
) -> Recipe:
    """Minimise the f-divergence of your choice, by the bound on it that the critic gives.

    Args:
        divergence: Divergence D_f that the generator minimises.
        generator: Loss of the generator. variational: it descends the bound F; heuristic: it ascends E T(G(z)).
        method: Order of moves. single-step (Algorithm 1): both players at once; alternating: in turn.
        alpha: Parameter of the divergence alpha: any number except 0 and 1.
        pi: Parameter of the divergence weighted-jensen-shannon: the weight of the data, in (0, 1).
        width: Units of each hidden layer on points; not read on images.
        n_critic: Critic updates per generator update: 1 unless alternating.
    """
    objective = pick(GENERATORS, generator, "generator")(named(divergence, alpha=alpha, pi=pi))

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"adv": objective.d(n.D(b.x), n.D(n.G(b.z)))}

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"adv": objective.g(None, n.D(n.G(b.z)))}

    if n_critic != 1 and method == "single-step":
        raise ValueError(f"n_critic={n_critic}: in the single-step method both players move at once; use alternating")
    nets = points_pair(data.shape, latent, width) if data.is_points else image_pair(data.shape, latent)
    return two_player(
        *nets,
        d_loss,
        g_loss,
        opt=adam(lr, beta1=beta1),
        latent=uniform(latent),
        n_critic=n_critic,
        batch_size=batch_size,
        steps=steps,
        dynamics=pick(METHODS, method, "method"),
    )


def image_pair(shape: tuple[int, ...], latent: int) -> Pair:
    """MLPs: a rectifier generator with batch norm, and an ELU critic."""
    generator = nn.Sequential(
        *(nn.Linear(latent, 1200), BatchNorm(1200), nn.ReLU()),
        *(nn.Linear(1200, 1200), BatchNorm(1200), nn.ReLU()),
        *(nn.Linear(1200, math.prod(shape)), nn.Tanh(), nn.Unflatten(1, shape)),
    )
    return generator, mlp.Critic(shape, (240, 240), activation=nn.functional.elu)
