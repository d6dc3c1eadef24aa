"""BigGAN-deep. Brock et al. 2019, arXiv:1809.11096, Appendix B: bottleneck blocks, twice as many; all of the latent,
joined with the class embedding, enters every block of the generator.

Learning rates are those of the paper's Appendix C for the size of the images. Departures from the paper: 32 and 64
pixels, which it does not have, are those of the authors' PyTorch code (attention at half the size); the critic for 512
pixels continues the pattern of the others; the generator's average forgets faster at first.
"""

from zerosum.conditioning.biggan import biggan_deep_pair, class_tables
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
RATES, LARGE_RATES = (5e-5, 2e-4), (2.5e-5, 2.5e-5)  # of generator and critic: up to 128 pixels, and from 256


def recipe(
    data: Data,
    *,
    latent: int = 128,
    width: int | None = None,
    shared: int = 128,
    orthogonal: float = 1e-4,
    g_lr: float | None = None,
    d_lr: float | None = None,
    beta1: float = 0.0,
    beta2: float = 0.999,
    n_critic: int = 2,
    recompute: bool = False,
    batch_size: int = 2048,
    steps: int = 150_000,
) -> Recipe:
    """Play BigGAN's game with deeper networks, in which the whole latent enters every block of the generator.

    Args:
        width: Unit of channels of both networks. None: 128.
        shared: Dimension of the class embedding that all blocks share.
        orthogonal: Weight of the generator's orthogonal regularisation: beta.
        g_lr: Learning rate of the generator. None: 5e-5, at 256 and 512 pixels 2.5e-5.
        d_lr: Learning rate of the critic. None: 2e-4, at 256 and 512 pixels 2.5e-5.
    """

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"hinge": hinge.d(n.D(b.x, b.y), n.D(n.G(b.z, b.c), b.c))}

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        fooling = hinge.g(None, n.D(n.G(b.z, b.c), b.c))
        if not orthogonal:
            return {"hinge": fooling}
        return {"hinge": fooling, "ortho": orthogonal * orthogonal_regularisation(n.G.weights, skip=tables)}

    channels, size, classes = labelled_shape(data, instead="sngan")
    run = recomputed if recompute else directly
    g, d = biggan_deep_pair(size, channels, classes, latent=latent, width=width, shared=shared, run=run)
    tables = class_tables(g)
    published = LARGE_RATES if size >= 256 else RATES
    g_rate, d_rate = (rate if lr is None else lr for lr, rate in zip((g_lr, d_lr), published, strict=True))
    return two_player(
        g,
        d,
        d_loss,
        g_loss,
        d_opt=adam(d_rate, beta1=beta1, beta2=beta2),
        g_opt=adam(g_rate, beta1=beta1, beta2=beta2),
        latent=normal(latent),
        draws={"z": each(normal(latent)), "c": each(labels(classes))},
        classes=classes,
        n_critic=n_critic,
        batch_size=batch_size,
        steps=steps,
        project={"G": power_iteration(g), "D": power_iteration(d)},
        average={"G": Average(warmed_up(0.9999))},
    )
