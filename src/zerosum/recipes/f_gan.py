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

import torch
from torch import Tensor, nn

from zerosum.core.dynamics import simultaneous
from zerosum.core.game import Game, Memory, Nets, Player, Terms
from zerosum.core.optim import adam
from zerosum.data.base import Data
from zerosum.data.priors import uniform
from zerosum.networks import mlp
from zerosum.networks.layers import BatchNorm
from zerosum.networks.pairs import points_pair
from zerosum.objectives.f_divergence import f_gan, f_gan_heuristic, named
from zerosum.recipe import Batch, Phase, Recipe

Divergence = Literal[
    "total-variation", "kl", "reverse-kl", "pearson", "neyman", "squared-hellinger", "jeffrey", "jensen-shannon",
    "weighted-jensen-shannon", "gan", "alpha",
]  # fmt: skip
GENERATORS = {"variational": f_gan, "heuristic": f_gan_heuristic}
METHODS = {"single-step": simultaneous, "alternating": None}


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
    """Build the recipe.

    Args:
        data: what to learn.
        divergence: the D_f that G minimises.
        generator: variational: G descends the bound F; heuristic: it ascends E T(G(z)).
        method: single-step (Algorithm 1): both players move at once; alternating: in turn.
        alpha: of the divergence alpha: any number but 0 and 1.
        pi: of the divergence weighted-jensen-shannon: the weight of the data, in (0, 1).
        latent: dimension of z ~ U[-1, 1].
        width: units of each hidden layer on points; unused on images.
        lr: Adam's learning rate, of both players.
        beta1: Adam's momentum.
        n_critic: critic updates per generator update, 1 unless alternating.
        batch_size: real samples per update.
        steps: generator updates in all.
    """
    for choice, known in ((generator, GENERATORS), (method, METHODS)):
        if choice not in known:
            raise ValueError(f"there is no {choice!r}: choose one of {', '.join(known)}")
    if n_critic != 1 and method == "single-step":
        raise ValueError(f"n_critic={n_critic}: in the single-step method both players move at once; use alternating")
    objective = GENERATORS[generator](named(divergence, alpha=alpha, pi=pi))
    nets = points_pair(data.shape, latent, width) if data.is_points else image_nets(data.shape, latent)

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"adv": objective.d(n.D(b.x), n.D(n.G(b.z)))}

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"adv": objective.g(None, n.D(n.G(b.z)))}

    game = Game(
        nets,
        opts={"D": adam(lr, beta1=beta1), "G": adam(lr, beta1=beta1)},
        players={"D": Player(("D",), d_loss, steps=n_critic), "G": Player(("G",), g_loss)},
    )

    def draw(x: Tensor, y: Tensor | None, rng: torch.Generator) -> Batch:
        return Batch(x, uniform(len(x), latent, rng))

    return Recipe(
        (Phase(game, steps),), batch_size, draw, lambda n, rng: uniform(n, latent, rng), dynamics=METHODS[method]
    )


def image_nets(shape: tuple[int, ...], latent: int) -> dict[str, nn.Module]:
    """MLPs: a rectifier generator with batch norm, and an ELU critic."""
    generator = nn.Sequential(
        *(nn.Linear(latent, 1200), BatchNorm(1200), nn.ReLU()),
        *(nn.Linear(1200, 1200), BatchNorm(1200), nn.ReLU()),
        *(nn.Linear(1200, math.prod(shape)), nn.Tanh(), nn.Unflatten(1, shape)),
    )
    return {"G": generator, "D": mlp.Critic(shape, (240, 240), activation=nn.functional.elu)}
