"""Custom. A two-player game of your own choice of parts, each by name; those that cannot work together are refused.

objective: minimax, non-saturating, smoothed, least-squares, wasserstein, hinge; relativistic, average-relativistic,
average-least-squares, average-hinge; f-kl, f-reverse-kl, f-pearson, f-neyman, f-squared-hellinger, f-jeffrey,
f-jensen-shannon, f-total-variation, f-gan; loss-sensitive; energy-based (for the network autoencoder).
penalty: none, wgan-gp, one-sided, zero-centred, wgan-div, dragan, r1, r2, consistency, feature-matching, pulling-away.
network: mlp, dcgan, infogan, resnet, autoencoder.
conditioning: none, concat, projection, auxiliary; labels: concat, batch-norm, adain.
constraint: none, clip, spectral-norm, weight-norm. norm: none, batch, layer.
dynamics: alternating, simultaneous, extragradient, optimistic, consensus. optimizer: adam, rmsprop, sgd.

What needs a memory or players of its own (BEGAN's balance, InfoGAN's codes, semi-supervision) has a page instead.
Penalties have their published weights unless ``--penalty-weight`` is given. Sources: ``zerosum where NAME``; the game
is that of Goodfellow et al. 2014, arXiv:1406.2661. Departures: as many as you choose.
"""

from zerosum.data.base import Data
from zerosum.parts.compose import Choice, compose
from zerosum.recipe import Recipe


def recipe(
    data: Data,
    *,
    objective: str = "non-saturating",
    penalty: str = "none",
    penalty_weight: float | None = None,
    network: str | None = None,
    conditioning: str = "none",
    labels: str = "concat",
    constraint: str = "none",
    c: float = 0.01,
    norm: str | None = None,
    dropout: float = 0.0,
    noise: float = 0.0,
    dynamics: str = "alternating",
    strength: float = 1.0,
    unroll: int = 0,
    optimizer: str = "adam",
    lr_d: float = 2e-4,
    lr_g: float = 2e-4,
    beta1: float = 0.5,
    beta2: float = 0.999,
    n_critic: int = 1,
    latent: int = 100,
    width: int = 64,
    kernel: int = 4,
    batch_size: int = 64,
    steps: int = 50_000,
) -> Recipe:
    """Build the recipe.

    Args:
        data: what to learn.
        objective: what both players minimise.
        penalty: what the critic or the generator pays besides.
        penalty_weight: of that. None: the published one.
        network: the family of both networks. None: dcgan, or mlp on points.
        conditioning: how the label enters the critic.
        labels: how it then enters the generator: concat (beside the latent), batch-norm or adain.
        constraint: on the critic's weights.
        c: with the constraint clip, every weight of the critic is clipped to [-c, c].
        norm: normalisation in the critic: none, batch or layer. None: the network's own.
        dropout: in the critic.
        noise: standard deviation of the noise on all that the critic sees; it falls to 0 with the last step.
        dynamics: how turns become updates.
        strength: of consensus.
        unroll: K, updates of the critic that the generator looks ahead, to maximise the critic's loss after them.
        optimizer: of both players: adam, rmsprop or sgd, for which beta1 is the momentum.
        lr_d: the critic's learning rate; with another than the generator's, two time scales (TTUR).
        lr_g: the generator's learning rate.
        beta1: Adam's momentum.
        beta2: Adam's decay of squares.
        n_critic: critic updates per generator update.
        latent: dimension of z ~ N(0, I).
        width: channels of the outermost layers, or units of each hidden layer.
        kernel: of dcgan's and the autoencoder's convolutions, pixels a side.
        batch_size: real samples per update.
        steps: generator updates in all.
    """
    parts = Choice(
        objective, penalty, penalty_weight, network, conditioning, labels, constraint, c, norm, dropout, dynamics
    )
    rates = {"D": lr_d, "G": lr_g}
    return compose(
        data, parts, strength=strength, noise=noise, unroll=unroll, optimizer=optimizer, rates=rates,
        betas=(beta1, beta2), n_critic=n_critic, latent=latent, width=width, kernel=kernel, batch_size=batch_size,
        steps=steps,
    )  # fmt: skip
