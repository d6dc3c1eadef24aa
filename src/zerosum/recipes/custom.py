"""Custom. A two-player game of parts that you choose by name; parts that cannot work together are refused.

objective: minimax, non-saturating, smoothed, least-squares, wasserstein, hinge; relativistic, average-relativistic,
average-least-squares, average-hinge; f-kl, f-reverse-kl, f-pearson, f-neyman, f-squared-hellinger, f-jeffrey,
f-jensen-shannon, f-total-variation, f-gan; loss-sensitive; energy-based (for the network autoencoder).
penalty: none, wgan-gp, one-sided, zero-centred, wgan-div, dragan, r1, r2, consistency, feature-matching, pulling-away.
network: mlp, dcgan, infogan, resnet, autoencoder.
conditioning: none, concat, projection, auxiliary; g_conditioning: concat, batch-norm, adain.
constraint: none, clip, spectral-norm, weight-norm. norm: none, batch, layer.
dynamics: alternating, simultaneous, extragradient, optimistic, consensus. optimizer: adam, rmsprop, sgd.

Where no ``--norm`` is given, the critic has what suits the other parts: none under spectral-norm, feature-matching and
unrolling, layer norm under a penalty on its slope, and its network's own otherwise. What is known to go wrong is
refused. Feature-matching, pulling-away, the average objectives, unrolling and batch norm compare the samples of a
batch: with ``--accumulate``, or on several processes, those of each part. Pulling-away, and batch norm of what has no
pixels, need at least 2.

What needs a memory or players of its own (BEGAN's balance, InfoGAN's codes, semi-supervision) has a page instead.
Penalties have their published weights unless ``--penalty-weight`` is given. ``zerosum where NAME`` tells the sources;
the game is that of Goodfellow et al. 2014, arXiv:1406.2661. Departures: as many as you choose. Initial weights are
DCGAN's, N(0, 0.02^2), in the networks dcgan, infogan and autoencoder, SNGAN's in resnet, and PyTorch's initial weights
in mlp.
"""

from zerosum.data.base import Data
from zerosum.parts.compose import Choice, compose
from zerosum.registry import About
from zerosum.systems import Recipe

ABOUT = About("Goodfellow et al.", 2014, "1406.2661")
RENAMED = {"labels": "g_conditioning"}
MOVED = {"D/net.": "D/"}  # critics that were not told labels had a wrapper
ADDED = {"strict": False}


def recipe(
    data: Data,
    *,
    objective: str = "non-saturating",
    penalty: str = "none",
    penalty_weight: float | None = None,
    network: str | None = None,
    conditioning: str = "none",
    g_conditioning: str = "concat",
    constraint: str = "none",
    c: float = 0.01,
    norm: str | None = None,
    dropout: float = 0.0,
    noise: float = 0.0,
    dynamics: str = "alternating",
    strength: float = 1.0,
    unroll: int = 0,
    optimizer: str = "adam",
    d_lr: float = 2e-4,
    g_lr: float = 2e-4,
    beta1: float = 0.5,
    beta2: float = 0.999,
    n_critic: int = 1,
    latent: int = 100,
    width: int = 64,
    kernel: int = 4,
    batch_size: int = 64,
    steps: int = 50_000,
    strict: bool = True,
) -> Recipe:
    """Play the game of your choice.

    Args:
        objective: Objective of both players.
        penalty: Penalty that the critic or the generator pays besides.
        penalty_weight: Weight of the penalty. None: the published one.
        network: Family of both networks. None: dcgan, or mlp on points.
        conditioning: Way in which the label enters the critic.
        g_conditioning: Way in which it then enters the generator: concat (beside the latent), batch-norm or adain.
        constraint: Constraint on the critic's weights.
        c: Bound to which every weight of the critic is clipped: [-c, c], with the constraint clip.
        norm: Normalisation in the critic: none, batch or layer. None: what suits the other parts.
        noise: Standard deviation of the noise on all that the critic sees; it falls to 0 with the last step.
        dynamics: Way in which turns become updates.
        strength: Strength of consensus.
        unroll: Updates of the critic that the generator looks ahead, to maximise the critic's loss after them: K.
        optimizer: Optimizer of both players: adam, rmsprop, or sgd, whose momentum is then beta1.
        d_lr: Learning rate of the critic; where it is not the generator's, there are two time scales (TTUR).
        width: Unit of channels: of the outermost layers; units of each hidden layer in mlp.
        kernel: Side of the convolutions' kernels, in pixels; read by dcgan and autoencoder.
        strict: Whether norms that undo a constraint, a penalty or unrolling are refused, and constraints hold for
            layers that read or name labels. False: as in version 0.1.0, where the default norm is the network's own.
    """
    choice = dict(locals())
    return compose(choice.pop("data"), Choice(**choice))
