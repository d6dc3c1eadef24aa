"""BigGAN. Brock et al. 2019, arXiv:1809.11096: SAGAN, larger; labels and latents enter every block of the generator.

With ``--shared 0`` each block has a table of classes instead of the shared embedding, and with ``--no-hierarchical``
all of the latent enters at the bottom: the rows of the paper's Table 1. A batch of 2,048 fits one device with
``--accumulate``. Departures from the paper: the generator's average forgets faster at first; 32 and 64 pixels, which it
does not have, attend at half their size. The authors' PyTorch code trains 128 pixels otherwise: ``--g-lr 1e-4 --d-lr
4e-4 --n-critic 1 --orthogonal 0``, with eps 1e-5 in batch norm and 1e-6 in Adam, where these have 1e-4 and 1e-8.
"""

from zerosum.conditioning.biggan import LATENT, biggan_pair, class_tables
from zerosum.constraints import power_iteration
from zerosum.core.ema import Average, warmed_up
from zerosum.core.game import Memory, Nets, Terms
from zerosum.core.optim import adam
from zerosum.data.base import Data
from zerosum.latent.priors import each, labels, normal
from zerosum.networks.layers.recompute import directly, recomputed
from zerosum.objectives import hinge
from zerosum.penalties.orthogonality import orthogonal_regularisation
from zerosum.registry import About
from zerosum.systems import Batch, Recipe, labelled_shape, two_player

ABOUT = About("Brock et al.", 2019, "1809.11096", objective="hinge", penalty="orthogonal-regularisation")


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
    n_critic: int = 2,
    recompute: bool = False,
    batch_size: int = 2048,
    steps: int = 150_000,
) -> Recipe:
    """Play SAGAN's game at scale, the rows of the generator's matrices held at right angles.

    Args:
        latent: Dimension of the latent z. None: 80, 120, 120, 140 or 160 by size.
        width: Unit of channels of both networks. None: 64 up to 64 pixels, else 96.
        shared: Dimension of the class embedding that all blocks share. 0: a table of classes in each.
        hierarchical: Whether the latent is cut into chunks, one for the first layer and one for each block.
        orthogonal: Weight of the generator's orthogonal regularisation: beta.
    """

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"hinge": hinge.d(n.D(b.x, b.y), n.D(n.G(b.z, b.c), b.c))}

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        fooling = hinge.g(None, n.D(n.G(b.z, b.c), b.c))
        if not orthogonal:
            return {"hinge": fooling}
        return {"hinge": fooling, "ortho": orthogonal * orthogonal_regularisation(n.G.weights, skip=tables)}

    channels, size, classes = labelled_shape(data, instead="sngan")
    dim = LATENT.get(size, 120) if latent is None else latent
    run = recomputed if recompute else directly
    g, d = biggan_pair(
        size, channels, classes, latent=dim, width=width, shared=shared, hierarchical=hierarchical, run=run
    )
    tables = class_tables(g)
    return two_player(
        g,
        d,
        d_loss,
        g_loss,
        d_opt=adam(d_lr, beta1=beta1, beta2=beta2),
        g_opt=adam(g_lr, beta1=beta1, beta2=beta2),
        latent=normal(dim),
        draws={"z": each(normal(dim)), "c": each(labels(classes))},
        classes=classes,
        n_critic=n_critic,
        batch_size=batch_size,
        steps=steps,
        project={"G": power_iteration(g), "D": power_iteration(d)},
        average={"G": Average(warmed_up(0.9999))},
    )
