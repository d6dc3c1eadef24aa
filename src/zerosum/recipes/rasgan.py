"""RaSGAN. Jolicoeur-Martineau 2018, arXiv:1807.00734: the relativistic average standard GAN; with a penalty,
RaSGAN-GP.

L_D = (BCE(C(x) - E C(G(z)), 1) + BCE(C(G(z)) - E C(x), 0)) / 2, and L_G with 0 and 1 exchanged; the 1/2 is the
authors' code's.
Both players see real and generated samples. Each turn is a batch of its own, so the generator's real samples are
fresh, as in the authors' code. Departures from the paper: DCGAN networks at every size (the authors use them for
images of 64 pixels and more, and SNGAN's CNN with spectral norm for CIFAR-10); with a penalty the critic has layer
norm in place of batch norm, so that the slope at a sample is its own. On points, MLPs.
"""

from zerosum.core.game import Game, Player
from zerosum.core.optim import adam
from zerosum.data.base import Data
from zerosum.data.priors import normal
from zerosum.objectives.relativistic import average_relativistic
from zerosum.parts.relativistic import drawing, losses, networks
from zerosum.recipe import Phase, Recipe


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
    """Build the recipe.

    Args:
        data: what to learn.
        latent: dimension of z ~ N(0, I).
        width: channels of the generator's last hidden layer and of the critic's first; unused on points.
        kernel: of the convolutions, pixels a side.
        lr: Adam's learning rate, of both players.
        beta1: Adam's momentum.
        beta2: Adam's decay of squares.
        n_critic: critic updates per generator update.
        penalty_weight: lambda of WGAN-GP's penalty; 10 for RaSGAN-GP, 0 for none.
        batch_size: real samples per update, and as many generated ones.
        steps: generator updates in all.
    """
    d_loss, g_loss = losses(average_relativistic, penalty_weight)
    game = Game(
        networks(data, latent, width, kernel, penalty_weight),
        opts={"D": adam(lr, beta1=beta1, beta2=beta2), "G": adam(lr, beta1=beta1, beta2=beta2)},
        players={"D": Player(("D",), d_loss, steps=n_critic), "G": Player(("G",), g_loss)},
    )

    return Recipe((Phase(game, steps),), batch_size, drawing(latent), lambda n, rng: normal(n, latent, rng))
