"""RaHingeGAN. Jolicoeur-Martineau 2018, arXiv:1807.00734: the relativistic average GAN with the hinge loss.

L_D = (E max(0, 1 - C(x) + E C(G(z))) + E max(0, 1 + C(G(z)) - E C(x))) / 2, and L_G with real and generated
exchanged; the 1/2 is from the authors' code.

Both players see real and generated samples. Each turn is a batch of its own, so the generator's real samples are fresh,
as in the authors' code. Departures from the paper: DCGAN networks at every size (the authors use them for images of 64
pixels and more, and SNGAN's CNN with spectral norm for CIFAR-10); with a penalty the critic has layer norm in place of
batch norm, so that the slope at a sample is its own. On points, MLPs with PyTorch's initial weights.
"""

from zerosum.core.game import Memory, Nets, Terms
from zerosum.core.optim import adam
from zerosum.data.base import Data
from zerosum.latent.priors import normal, per_sample
from zerosum.networks.pairs import penalised_pair
from zerosum.objectives.relativistic_loss import average_hinge
from zerosum.penalties.gradient import weighted_wgan_gp
from zerosum.registry import About
from zerosum.systems import Batch, Recipe, two_player

ABOUT = About("Jolicoeur-Martineau", 2018, "1807.00734", objective="average-hinge")


def recipe(
    data: Data,
    *,
    latent: int = 128,
    width: int = 128,
    kernel: int = 4,
    lr: float = 2e-4,
    beta1: float = 0.5,
    beta2: float = 0.999,
    n_critic: int = 1,
    penalty_weight: float = 0.0,
    batch_size: int = 32,
    steps: int = 100_000,
) -> Recipe:
    """Push a sample's logit one above or below the mean of those of the other kind, by the hinge loss.

    Args:
        width: Unit of channels: of the generator's last hidden layer and of the critic's first; not read on points.
        penalty_weight: Weight of the penalty, WGAN-GP's: lambda; 10 for RaHingeGAN-GP. 0: none.
        batch_size: Real samples per update, and as many generated ones. Means are over all of them; with
            ``--accumulate``, or on several processes, over those of each part.
    """

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        fake = n.G(b.z)
        adv = average_hinge.d(n.D(b.x), n.D(fake))
        return {"adv": adv, **weighted_wgan_gp(penalty_weight, n.D, b.x, fake, b.eps)}

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"adv": average_hinge.g(n.D(b.x), n.D(n.G(b.z)))}

    return two_player(
        *penalised_pair(data.shape, latent, width, kernel, penalty_weight),
        d_loss,
        g_loss,
        opt=adam(lr, beta1=beta1, beta2=beta2),
        latent=normal(latent),
        draws={"eps": per_sample},
        n_critic=n_critic,
        batch_size=batch_size,
        steps=steps,
    )
