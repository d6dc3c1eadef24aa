"""Convolutional networks of many shapes for images of 32 pixels, and four ways to train them.

What a network is made of is a value here: nonlinearity, depth, width, normalisation. An experiment that compares
architectures builds each pair of networks from these values, and plays it with a :class:`TrainingMethod`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zerosum.constraints import clip
from zerosum.core.game import Game, Memory, Nets, Player, Terms
from zerosum.core.optim import Optimizer, adam, rmsprop
from zerosum.core.random import seed_for
from zerosum.data import Data
from zerosum.errors import NonFiniteLoss
from zerosum.lab.training import plain_settings, play, samples, seed_weights
from zerosum.latent.priors import normal, per_sample
from zerosum.networks.common import Norm, check_positive, he_normal
from zerosum.networks.layers import BatchNorm, LayerNorm, UpConv
from zerosum.networks.pairs import Pair
from zerosum.networks.residual import HIDDEN_GAIN, Conv3, conv3
from zerosum.objectives import least_squares, non_saturating, wasserstein
from zerosum.objectives.objective import Objective
from zerosum.own import from_value
from zerosum.penalties.gradient import wgan_gp
from zerosum.runs.setup import Setup
from zerosum.systems import Batch, system

LATENT = 128  # dimension of z ~ N(0, I)
BOTTOM = 4  # side of the smallest feature map, in pixels
STAGES = 3  # halvings from 32 pixels to 4


class ScaledActivation(nn.Module):
    """A nonlinearity as a layer.

    Args:
        function: Nonlinearity, (B, takes * C, ...) -> (B, C, ...).
        takes: Number of channels that it reads for each one that it gives.
    """

    def __init__(self, function: Callable[[Tensor], Tensor], takes: int = 1) -> None:
        super().__init__()
        self.function, self.takes = function, takes

    def forward(self, x: Tensor) -> Tensor:
        """(B, takes * C, ...) -> (B, C, ...)."""
        return self.function(x)


def shifted_softplus(x: Tensor) -> Tensor:
    """Table 1, Gulrajani et al. 2017 (arXiv:1704.00028): softplus(2x + 2) / 2 - 1, a smooth ReLU above -1."""
    return F.softplus(2 * x + 2) / 2 - 1


def gate(x: Tensor) -> Tensor:
    """(B, 2C, ...) -> (B, C, ...): tanh(a) sigmoid(b), where a and b are the halves of the channels."""
    a, b = x.chunk(2, dim=1)
    return torch.tanh(a) * torch.sigmoid(b)


# Without weights or state, so that all networks can share them.
RELU = ScaledActivation(F.relu)
LEAKY = ScaledActivation(partial(F.leaky_relu, negative_slope=0.2))
SOFTPLUS = ScaledActivation(shifted_softplus)
TANH = ScaledActivation(torch.tanh)
GATED = ScaledActivation(gate, takes=2)


def spread(count: int, places: int) -> list[int]:
    """Spread ``count`` things over ``places`` as evenly as possible, where the first places get what is left over."""
    return [count // places + (i < count % places) for i in range(places)]


def _further_layers(depth: int) -> list[int]:
    """Convolutions at each resolution, the coarsest first, in addition to the layers that change the resolution."""
    if depth < STAGES + 1:
        raise ValueError(
            f"depth={depth}: {STAGES} layers change the resolution and one is linear, so it must be at least "
            f"{STAGES + 1}"
        )
    return spread(depth - STAGES - 1, STAGES)


def _layer(make: Callable[[int, int], nn.Module], i: int, o: int, norm: Norm, act: ScaledActivation) -> nn.Sequential:
    """Convolution, normalisation, nonlinearity: ``i`` channels -> ``o``."""
    conv = make(i, act.takes * o)
    he_normal(conv, HIDDEN_GAIN)
    return nn.Sequential(conv, norm(act.takes * o), act)


class Generator(nn.Module):
    """z -> linear to 4x4 -> upsampling 3x3 convolutions, with others of 3x3 between them -> tanh.

    Each layer but the last is followed by ``norm`` and ``act``.

    Args:
        width: Channels at half the image's size.
        depth: Layers with weights; those beyond the least number are 3x3 convolutions, the coarsest resolutions first.
        growth: Channels at one resolution, over those at twice it: 2 as in DCGAN, 1 for a constant number.
        norm: Channels -> normalisation layer; ``nn.Identity`` for none.
        act: Nonlinearity.
    """

    def __init__(
        self, width: int, depth: int = 4, *, growth: int = 2, norm: Norm = BatchNorm, act: ScaledActivation = RELU
    ) -> None:
        super().__init__()
        check_positive(width=width, growth=growth)
        widths = [width * growth**k for k in reversed(range(STAGES))]
        many = act.takes * widths[0]
        first = nn.Linear(LATENT, many * BOTTOM**2)
        he_normal(first, HIDDEN_GAIN)
        layers: list[nn.Module] = [nn.Sequential(first, nn.Unflatten(1, (many, BOTTOM, BOTTOM)), norm(many), act)]
        for k, further in enumerate(_further_layers(depth)):
            if k:
                layers.append(_layer(UpConv, widths[k - 1], widths[k], norm, act))
            layers += [_layer(Conv3, widths[k], widths[k], norm, act) for _ in range(further)]
        self.layers = nn.Sequential(*layers)
        self.last = conv3(widths[-1], 1, he_normal, 1.0, kind=UpConv)

    def forward(self, z: Tensor) -> Tensor:
        """(B, 128) -> images (B, 1, 32, 32) in [-1, 1]."""
        return torch.tanh(self.last(self.layers(z)))


class Critic(nn.Module):
    """4x4 convolutions of stride 2 down to 4x4, with others of 3x3 between them -> linear.

    Each convolution is followed by ``norm`` (except the first) and ``act``.

    Args:
        width: Channels of the first layer; they double as the size is halved.
        depth: Layers with weights, as in the generator.
        norm: Channels -> normalisation layer; ``nn.Identity`` for none.
        act: Nonlinearity.
    """

    def __init__(self, width: int, depth: int = 4, *, norm: Norm = BatchNorm, act: ScaledActivation = LEAKY) -> None:
        super().__init__()
        check_positive(width=width)
        down = partial(nn.Conv2d, kernel_size=4, stride=2, padding=1)
        widths = [1, *(width * 2**k for k in range(STAGES))]
        layers: list[nn.Module] = []
        for k, further in enumerate(reversed(_further_layers(depth))):
            layers.append(_layer(down, widths[k], widths[k + 1], norm if k else nn.Identity, act))
            layers += [_layer(Conv3, widths[k + 1], widths[k + 1], norm, act) for _ in range(further)]
        self.layers = nn.Sequential(*layers)
        self.last = nn.Linear(widths[-1] * BOTTOM**2, 1)
        he_normal(self.last, 1.0)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, 32, 32) -> logits (B,)."""
        logits: Tensor = self.last(torch.flatten(self.layers(x), 1))
        return logits.squeeze(1)


@dataclass(frozen=True)
class TrainingMethod:
    """A way to train a pair of networks.

    Attributes:
        label: Name for people.
        objective: What both players minimise.
        optimizer: Optimizer of either player.
        n_critic: Critic updates per generator update.
        clip: Bound to which the critic's weights are clipped; ``None`` to leave them as they are.
        penalty: Weight of the gradient penalty.
        norm: Normalisation of a critic that has one.
    """

    label: str
    objective: Objective
    optimizer: Optimizer
    n_critic: int = 1
    clip: float | None = None
    penalty: float = 0.0
    norm: Norm = BatchNorm


METHODS = {
    "dcgan": TrainingMethod("DCGAN", non_saturating, adam(2e-4, beta1=0.5)),
    "lsgan": TrainingMethod("LSGAN", least_squares(), rmsprop(1e-4)),
    "wgan": TrainingMethod("WGAN (clipping)", wasserstein, rmsprop(5e-5), n_critic=5, clip=0.01),
    "wgan-gp": TrainingMethod(
        "WGAN-GP", wasserstein, adam(1e-4, beta1=0.5, beta2=0.9), n_critic=5, penalty=10.0, norm=LayerNorm
    ),
}


def game(method: TrainingMethod, nets: dict[str, nn.Module]) -> Game:
    """The game that a method plays with networks G and D, on batches with x, z ~ N(0, I) and eps ~ U[0, 1)."""

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        fake = n.G(b.z)
        terms = {"adv": method.objective.d(n.D(b.x), n.D(fake))}
        return terms | ({"gp": method.penalty * wgan_gp(n.D, b.x, fake, b.eps)} if method.penalty else {})

    def g_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"adv": method.objective.g(None, n.D(n.G(b.z)))}

    return Game(
        nets,
        opts={"D": method.optimizer, "G": method.optimizer},
        players={"D": Player(("D",), d_loss, steps=method.n_critic), "G": Player(("G",), g_loss)},
        project={} if method.clip is None else {"D": clip(method.clip)},
    )


def build_nets(seed: int, path: Sequence[int | str], build: Callable[[], Pair]) -> dict[str, nn.Module]:
    """Build networks G and D, with weights that depend only on the seed and a path.

    Args:
        seed: Seed of the weights.
        path: Further words and numbers that tell these weights from others with the same seed.
        build: Function that returns a new generator and critic.
    """
    with seed_weights(seed_for(seed, *path)):
        g, d = build()
    return {"G": g, "D": d}


def train_nets(
    method: TrainingMethod,
    nets: dict[str, nn.Module],
    data: Data,
    *,
    seed: int,
    steps: int,
    batch: int,
    count: int,
) -> Tensor | None:
    """Train a pair of networks, and draw samples from the generator.

    Args:
        method: Way to train.
        nets: Networks G and D.
        data: Data to learn.
        seed: Seed of batches and latents.
        steps: Generator updates.
        batch: Real samples per update.
        count: Number of samples.

    Returns:
        Samples, (count, *data.shape); ``None`` if training became non-finite.
    """
    recipe = system(game(method, nets), latent=normal(LATENT), batch_size=batch, steps=steps, draws={"eps": per_sample})
    settings = plain_settings(data.name, seed)
    setup = Setup(
        replace(from_value(recipe), name=method.label), {}, settings, data, recipe, torch.device("cpu"), None, None
    )
    try:
        _, state, _ = deque(play(setup), maxlen=1).pop()
    except NonFiniteLoss:
        return None
    made = samples(setup, state, count)
    return made if bool(made.isfinite().all()) else None
