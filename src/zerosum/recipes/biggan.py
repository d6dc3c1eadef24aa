"""BigGAN. Brock et al. 2019, arXiv:1809.11096: SAGAN, larger; labels and latents enter every block of the generator.

With ``--shared 0`` each block has a table of classes instead of the shared embedding, and with ``--no-hierarchical``
all of the latent enters at the bottom: the rows of the paper's Table 1. A batch of 2,048 fits one device with
``--accumulate``. Departures from the paper: the generator's average forgets faster at first; 32 pixels, which the paper
does not have, attend at 16.
"""

from zerosum.constraints import power_iteration
from zerosum.core.ema import Average, warmed_up
from zerosum.core.game import Game, Memory, Nets, Player, Terms
from zerosum.core.optim import adam
from zerosum.data.base import Data
from zerosum.networks.layers.recompute import directly, recomputed
from zerosum.objectives import hinge
from zerosum.parts.biggan import LATENT, networks, of_classes
from zerosum.parts.classes import drawing
from zerosum.penalties.orthogonal import orthogonal_regularisation
from zerosum.recipe import ClassBatch, Phase, Recipe, labelled_images


def recipe(
    data: Data,
    *,
    latent: int | None = None,
    width: int | None = None,
    shared: int = 128,
    hierarchical: bool = True,
    orthogonal: float = 1e-4,
    g_lr: float = 5e-5,
    d_lr: float = 2e-4,
    beta1: float = 0.0,
    beta2: float = 0.999,
    ema: float = 0.9999,
    n_critic: int = 2,
    recompute: bool = False,
    batch_size: int = 2048,
    steps: int = 150_000,
) -> Recipe:
    """Build the recipe.

    Args:
        data: what to learn; it must have labels, and 32, 64, 128, 256 or 512 pixels a side.
        latent: dimension of z ~ N(0, I). None: 80, 120, 120, 140 or 160 by size.
        width: the unit of channels of both networks. None: 64 up to 64 pixels, else 96.
        shared: dimension of the class embedding that all blocks share; 0: a table of classes in each.
        hierarchical: cut the latent into chunks, one for the first layer and one for each block?
        orthogonal: beta, strength of the generator's orthogonal regularisation.
        g_lr: Adam's learning rate, of the generator.
        d_lr: Adam's learning rate, of the critic.
        beta1: Adam's momentum.
        beta2: Adam's decay of squares.
        ema: decay of the generator's running average, which is sampled from.
        n_critic: critic updates per generator update.
        recompute: keep less for the backward pass, and compute each block twice?
        batch_size: real samples per update.
        steps: generator updates in all.
    """
    channels, size, classes = labelled_images(data, instead="sngan")
    dim = LATENT.get(size, 120) if latent is None else latent
    run = recomputed if recompute else directly
    nets = networks(size, channels, classes, latent=dim, width=width, shared=shared, hierarchical=hierarchical, run=run)
    skip = of_classes(nets["G"])

    def d_loss(n: Nets, b: ClassBatch, m: Memory) -> Terms:
        return {"hinge": hinge.d(n.D(b.x, b.y), n.D(n.G(b.z, b.c), b.c))}

    def g_loss(n: Nets, b: ClassBatch, m: Memory) -> Terms:
        fooling = hinge.g(None, n.D(n.G(b.z, b.c), b.c))
        if not orthogonal:
            return {"hinge": fooling}
        return {"hinge": fooling, "ortho": orthogonal * orthogonal_regularisation(n.G.weights, skip=skip)}

    game = Game(
        nets,
        opts={"D": adam(d_lr, beta1=beta1, beta2=beta2), "G": adam(g_lr, beta1=beta1, beta2=beta2)},
        players={"D": Player(("D",), d_loss, steps=n_critic), "G": Player(("G",), g_loss)},
        project={name: power_iteration(net) for name, net in nets.items()},
        average={"G": Average(warmed_up(ema))} if ema else {},
    )
    return Recipe((Phase(game, steps),), batch_size, *drawing(dim, classes))
