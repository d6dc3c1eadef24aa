"""EBGAN. Zhao et al. 2017, arXiv:1609.03126, Section 2: the critic is an autoencoder, its output an energy.

Departures from the paper: the energy is the mean squared error over pixels, so that the margin, in these units, does
not depend on the size of images; networks and initial weights are DCGAN's, on points MLPs with PyTorch's; margin and
learning rate are ours, chosen on clothes (``results/recipes.md`` of the repository). ``ebgan-pt`` adds the pulling-away
term.
"""

from zerosum.core.game import Memory, Nets, Terms
from zerosum.core.optim import adam
from zerosum.data.base import Data
from zerosum.latent.priors import uniform
from zerosum.networks.autoencoder import ebgan_pair
from zerosum.objectives.energy import energy_based
from zerosum.registry import About
from zerosum.systems import Batch, Recipe, two_player

ABOUT = About("Zhao et al.", 2017, "1609.03126", objective="energy-based")


def recipe(
    data: Data,
    *,
    margin: float = 0.2,
    code: int = 32,
    latent: int = 100,
    width: int = 64,
    kernel: int = 4,
    lr: float = 1e-3,
    beta1: float = 0.5,
    batch_size: int = 64,
    steps: int = 50_000,
) -> Recipe:
    """Lower the energy of real samples and raise that of generated ones up to a margin.

    Args:
        margin: Energy up to which that of generated samples is raised: m, a squared error per pixel of images in
            [-1, 1].
        code: Numbers in a code, between encoder and decoder.
        width: Unit of channels: of the last hidden layer of generator and decoder, and of the encoder's first; not
            read on points.
    """
    objective = energy_based(margin)

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        real = n.D(b.x)
        n.note(real=real.mean())
        return {"energy": objective.d(real, n.D(n.G(b.z)))}

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"energy": objective.g(None, n.D(n.G(b.z)))}

    return two_player(
        *ebgan_pair(data.shape, latent, width, kernel, code),
        d_loss,
        g_loss,
        opt=adam(lr, beta1=beta1),
        latent=uniform(latent),
        batch_size=batch_size,
        steps=steps,
    )
