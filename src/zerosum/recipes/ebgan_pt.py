"""EBGAN-PT. Zhao et al. 2017, arXiv:1609.03126, Section 2.4: EBGAN with a generator that spreads its samples' codes.

The generator also minimises the pulling-away term. Departures from the paper: the energy is the mean squared error over
pixels, so that the margin, in these units, does not depend on the size of images; networks and initial weights are
DCGAN's, on points MLPs with PyTorch's; margin and learning rate are ours, chosen on clothes (``results/recipes.md`` of
the repository).
"""

from zerosum.core.game import Memory, Nets, Terms
from zerosum.core.optim import adam
from zerosum.data.base import Data
from zerosum.latent.priors import uniform
from zerosum.networks.autoencoder import ebgan_pair
from zerosum.objectives.energy import energy_based
from zerosum.penalties.pulling_away_term import pulling_away
from zerosum.registry import About
from zerosum.systems import Batch, Coupling, Recipe, two_player

ABOUT = About("Zhao et al.", 2017, "1609.03126", objective="energy-based", penalty="pulling-away")


def recipe(
    data: Data,
    *,
    margin: float = 0.2,
    pt_weight: float = 0.1,
    code: int = 32,
    latent: int = 100,
    width: int = 64,
    kernel: int = 4,
    lr: float = 1e-3,
    beta1: float = 0.5,
    batch_size: int = 64,
    steps: int = 50_000,
) -> Recipe:
    """Play EBGAN's game, the generator's samples kept apart by their codes.

    Args:
        margin: Energy up to which that of generated samples is raised: m, a squared error per pixel of images in
            [-1, 1].
        pt_weight: Weight of the pulling-away term in the generator's loss.
        code: Numbers in a code, between encoder and decoder: what the pulling-away term compares.
        width: Unit of channels: of the last hidden layer of generator and decoder, and of the encoder's first; not
            read on points.
        batch_size: Real samples per update, whose codes are compared with each other: with ``--accumulate``, or on
            several processes, those of each part, of at least 2.
    """
    objective = energy_based(margin)

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        real = n.D(b.x)
        n.note(real=real.mean())
        return {"energy": objective.d(real, n.D(n.G(b.z)))}

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        fake = n.D.judge(n.G(b.z))
        return {"energy": objective.g(None, fake.logits), "pt": pt_weight * pulling_away(fake.features)}

    if batch_size < 2:
        raise ValueError(f"batch_size={batch_size}: the pulling-away term compares samples of a batch, at least 2")
    return two_player(
        *ebgan_pair(data.shape, latent, width, kernel, code),
        d_loss,
        g_loss,
        opt=adam(lr, beta1=beta1),
        latent=uniform(latent),
        batch_size=batch_size,
        steps=steps,
        coupled=(Coupling("the pulling-away term", least=2),),
    )
