"""PacGAN. Lin et al. 2018, arXiv:1712.04086, Section 2: the critic judges m samples of the same origin at once.

All else is a DCGAN with the non-saturating objective; real and generated samples are packed alike, and only the
critic's first layer grows. Departures from the paper: a batch of B samples makes B / m packs, where the authors' code
for stacked MNIST has B packs; the generator makes one update per update of the critic, where that code makes two. On
points, MLPs with the settings of the images, in place of a batch-normalised generator and a maxout critic.
"""

import torch
from torch import Tensor

from zerosum.core.game import Game, Memory, Nets, Player, Terms
from zerosum.core.optim import adam
from zerosum.data.base import Data
from zerosum.data.priors import uniform
from zerosum.networks.packing import Packed, packed_shape
from zerosum.networks.pairs import dcgan_pair, points_pair
from zerosum.objectives import non_saturating
from zerosum.recipe import Batch, Phase, Recipe


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
    """Build the recipe.

    Args:
        data: what to learn.
        pack: m, samples that the critic judges together; 1 is the DCGAN.
        latent: dimension of z ~ U[-1, 1].
        width: channels of the generator's last hidden layer and of the critic's first; unused on points.
        kernel: of the convolutions, pixels a side.
        lr: Adam's learning rate, of both players.
        beta1: Adam's momentum.
        batch_size: real samples per update, in batch_size / pack packs.
        steps: generator updates in all.
    """
    if pack < 1:
        raise ValueError(f"pack={pack}: the critic must see at least 1 sample at once; 1 is the plain GAN")
    if batch_size % pack:
        near = max(pack, batch_size // pack * pack)
        raise ValueError(f"batch_size={batch_size} cannot be packed by {pack}: take a multiple of it, such as {near}")

    def networks(shape: tuple[int, ...]) -> dict[str, torch.nn.Module]:
        return points_pair(shape, latent) if data.is_points else dcgan_pair(shape, latent, width, kernel)

    nets = {"G": networks(data.shape)["G"], "D": Packed(networks(packed_shape(data.shape, pack))["D"], pack)}

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"adv": non_saturating.d(n.D(b.x), n.D(n.G(b.z)))}

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"adv": non_saturating.g(None, n.D(n.G(b.z)))}

    game = Game(
        nets,
        opts={"D": adam(lr, beta1=beta1), "G": adam(lr, beta1=beta1)},
        players={"D": Player(("D",), d_loss), "G": Player(("G",), g_loss)},
    )

    def draw(x: Tensor, y: Tensor | None, rng: torch.Generator) -> Batch:
        return Batch(x, uniform(len(x), latent, rng))

    return Recipe((Phase(game, steps),), batch_size, draw, prior=lambda n, rng: uniform(n, latent, rng))
