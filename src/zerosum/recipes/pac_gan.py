"""PacGAN. Lin et al. 2018, arXiv:1712.04086, Section 2: the critic judges m samples of the same origin at once.

All else is a DCGAN with the non-saturating objective; real and generated samples are packed alike, and only the
critic's first layer grows. Departures from the paper: a batch of B samples makes B / m packs, where the authors' code
for stacked MNIST has B packs; the generator makes one update per update of the critic, where that code makes two. On
points, MLPs with three hidden layers of 128 units, PyTorch's initial weights and the settings of the images take the
place of a batch-normalised generator and a maxout critic; ``width`` and ``kernel`` are not read.
"""

from zerosum.core.game import Memory, Nets, Terms
from zerosum.core.optim import adam
from zerosum.data.base import Data
from zerosum.latent.priors import uniform
from zerosum.networks.packing import Packed, packed_shape
from zerosum.networks.pairs import Pair, dcgan_pair
from zerosum.objectives import non_saturating
from zerosum.registry import About
from zerosum.systems import Batch, Coupling, Recipe, two_player

ABOUT = About("Lin et al.", 2018, "1712.04086", objective="non-saturating")


def recipe(
    data: Data,
    *,
    pack: int = 2,
    latent: int = 100,
    width: int = 64,
    kernel: int = 5,
    lr: float = 2e-4,
    beta1: float = 0.5,
    batch_size: int = 64,
    steps: int = 50_000,
) -> Recipe:
    """Play the non-saturating game with a critic that sees several samples at once, and so a lack of variety.

    Args:
        pack: Samples that the critic judges together: m. 1: the plain DCGAN.
        batch_size: Real samples per update, in batch_size / pack packs. With ``--accumulate``, or on several
            processes, each part must be a multiple of ``pack``.

    Raises:
        ValueError: The batch cannot be packed so.
    """

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"adv": non_saturating.d(n.D(b.x), n.D(n.G(b.z)))}

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"adv": non_saturating.g(None, n.D(n.G(b.z)))}

    check_packs(pack, batch_size)
    return two_player(
        *networks(data.shape, pack, latent, width, kernel),
        d_loss,
        g_loss,
        opt=adam(lr, beta1=beta1),
        latent=uniform(latent),
        batch_size=batch_size,
        steps=steps,
        coupled=(Coupling("packing", multiple=pack),),
    )


def networks(shape: tuple[int, ...], pack: int, latent: int, width: int, kernel: int) -> Pair:
    """DCGAN's generator of samples, and its critic of packs."""
    generator, _ = dcgan_pair(shape, latent, width, kernel)
    _, critic = dcgan_pair(packed_shape(shape, pack), latent, width, kernel)
    return generator, Packed(critic, pack)


def check_packs(pack: int, batch_size: int) -> None:
    """Refuse batches that cannot be cut into packs."""
    if pack < 1:
        raise ValueError(f"pack={pack}: the critic must see at least 1 sample at once; 1 is the plain GAN")
    if batch_size % pack:
        near = max(pack, batch_size // pack * pack)
        raise ValueError(f"batch_size={batch_size} cannot be packed by {pack}: take a multiple of it, such as {near}")
