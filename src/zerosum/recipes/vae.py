"""VAE. Kingma and Welling 2014, arXiv:1312.6114, Eq. 10, with one latent per sample.

Departures from the paper: networks and Adam's settings are those of the baseline of Lucic et al. 2018,
arXiv:1711.10337. Departures from the study's code: the reconstruction error is the sum over all pixels and channels, as
in the bound (the code takes the mean over channels: a third for RGB); it is computed from logits, where the code clips
probabilities; gains of batch norm start from N(1, 0.02^2), where the code has 1. A sample is the mean of p(x|z). On
points, MLPs with PyTorch's initial weights and a Gaussian p(x|z).
"""

from torch import Tensor

from zerosum.core.game import Game, Memory, Nets, Player, Terms
from zerosum.core.optim import adam
from zerosum.data.base import Data
from zerosum.latent.priors import normal
from zerosum.networks.autoencoder import vae_pair
from zerosum.registry import About
from zerosum.systems import Batch, Recipe, system

ABOUT = About("Kingma and Welling", 2014, "1312.6114", players=("VAE",))


def recipe(
    data: Data,
    *,
    latent: int | None = None,
    width: int = 64,
    deviation: float | None = None,
    lr: float = 5e-5,
    beta1: float = 0.5,
    batch_size: int = 64,
    steps: int = 50_000,
) -> Recipe:
    """Raise a lower bound on the likelihood of the data, by one player who moves the encoder E and the decoder G.

    Args:
        latent: Dimension of the latent z. None: 64, or 2 on points.
        width: Unit of channels: of the decoder's last hidden layer and of the encoder's first; not read on points.
        deviation: Standard deviation of p(x|z) on points. None: learned. Not read on images, whose pixels are
            probabilities.
        lr: Learning rate of both networks.
        batch_size: Real samples per update. On images, with ``--accumulate`` or on several processes, each part needs
            at least 2, for batch norm.
        steps: Updates in all, each of both networks.
    """
    latent = (2 if data.is_points else 64) if latent is None else latent

    def loss(n: Nets, b: Batch, m: Memory) -> Terms:
        mu, sigma = n.E(b.x)
        z = mu + sigma * b.z  # what is drawn is the paper's epsilon ~ N(0, I)
        return {"reconstruction": -n.G(z, b.x).mean(), "kl": divergence(mu, sigma).mean()}

    encoder, decoder = vae_pair(data.shape, latent, width, deviation)
    game = Game(
        {"E": encoder, "G": decoder},
        opts={"E": adam(lr, beta1=beta1), "G": adam(lr, beta1=beta1)},
        players={"VAE": Player(("E", "G"), loss)},
    )
    return system(game, latent=normal(latent), batch_size=batch_size, steps=steps)


def divergence(mean: Tensor, deviation: Tensor) -> Tensor:
    """Appendix B, Kingma and Welling 2014 (arXiv:1312.6114): KL(N(mean, diag(deviation^2)) || N(0, I)), (B, n) -> (B,).

    It is the sum of (mean^2 + deviation^2 - 1) / 2 - log deviation, at least 0.
    """
    return ((mean.square() + deviation.square() - 1) / 2 - deviation.log()).sum(1)
