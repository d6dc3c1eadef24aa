"""Convolutional networks of many shapes, and four ways to train them.

What a network is made of is a value here: nonlinearity, depth, width, normalisation. Whoever compares architectures
builds each pair of networks of these values, and plays it with a :class:`Method`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zerosum.constraints import clip
from zerosum.core.game import Game, Memory, Nets, Objective, Player, Terms
from zerosum.core.optim import Optimizer, adam, rmsprop
from zerosum.core.random import seed_for
from zerosum.core.train import NonFiniteLoss
from zerosum.data import Data
from zerosum.data.priors import normal
from zerosum.networks.common import Norm, check_positive, halvings, he_normal
from zerosum.networks.layers import BatchNorm, LayerNorm, UpConv
from zerosum.networks.residual import HIDDEN_GAIN, Conv3, conv3
from zerosum.objectives import least_squares, non_saturating, wasserstein
from zerosum.penalties.gradient import wgan_gp
from zerosum.recipe import Phase, Recipe
from zerosum.runs.loop import sampler_of
from zerosum.runs.settings import Settings
from zerosum.runs.setup import Setup
from zerosum.theory.lab.training import play, seeded

BOTTOM = 4  # pixels a side of the smallest feature map
LATENT = 128  # dimension of z ~ N(0, I)


class Activation(nn.Module):
    """A nonlinearity as a layer.

    Args:
        function: (B, takes * C, ...) -> (B, C, ...).
        takes: how many channels it reads for each that it gives.
    """

    def __init__(self, function: Callable[[Tensor], Tensor], takes: int = 1) -> None:
        super().__init__()
        self.function, self.takes = function, takes

    def forward(self, x: Tensor) -> Tensor:
        """Apply it."""
        return self.function(x)


def shifted_softplus(x: Tensor) -> Tensor:
    """Table 1, Gulrajani et al. 2017 (arXiv:1704.00028): softplus(2x + 2) / 2 - 1, a smooth ReLU above -1."""
    return F.softplus(2 * x + 2) / 2 - 1


def gate(x: Tensor) -> Tensor:
    """(B, 2C, ...) -> (B, C, ...): tanh(a) sigmoid(b), where a and b are the halves of the channels."""
    a, b = x.chunk(2, dim=1)
    return torch.tanh(a) * torch.sigmoid(b)


# Without weights or state, so that all networks can share them.
RELU = Activation(F.relu)
LEAKY = Activation(partial(F.leaky_relu, negative_slope=0.2))
SOFTPLUS = Activation(shifted_softplus)
TANH = Activation(torch.tanh)
GATED = Activation(gate, takes=2)


def spread(count: int, places: int) -> list[int]:
    """``count`` things over ``places`` as evenly as can be, the first places getting what is left over."""
    return [count // places + (i < count % places) for i in range(places)]


def _extra(depth: int, stages: int) -> list[int]:
    """Further convolutions at each resolution, the coarsest first, beside the layers that change it."""
    if depth < stages + 1:
        raise ValueError(
            f"depth={depth}: {stages} layers change the resolution and one is linear, so it must be at least "
            f"{stages + 1}"
        )
    return spread(depth - stages - 1, stages)


def _layer(make: Callable[[int, int], nn.Module], i: int, o: int, norm: Norm, act: Activation) -> nn.Sequential:
    """Convolution, normalisation, nonlinearity: ``i`` channels -> ``o``."""
    conv = make(i, act.takes * o)
    he_normal(conv, HIDDEN_GAIN)
    return nn.Sequential(conv, norm(act.takes * o), act)


class Generator(nn.Module):
    """z -> linear to 4x4 -> upsampling 3x3 convolutions, others of 3x3 between them -> tanh.

    Each layer but the last is followed by ``norm`` and ``act``.

    Args:
        width: channels at half the image's size.
        depth: layers with weights; those beyond the least number are 3x3 convolutions, the coarsest resolutions first.
        latent: dimension of z.
        size: pixels a side: 16, 32 or 64.
        channels: of the image.
        growth: channels at one resolution, over those at twice it: 2 as in DCGAN, 1 for a constant number.
        norm: channels -> normalisation layer; ``nn.Identity`` for none.
        act: the nonlinearity.
    """

    def __init__(
        self,
        width: int,
        depth: int = 4,
        *,
        latent: int = LATENT,
        size: int = 32,
        channels: int = 1,
        growth: int = 2,
        norm: Norm = BatchNorm,
        act: Activation = RELU,
    ) -> None:
        super().__init__()
        check_positive(width=width, latent=latent, channels=channels, growth=growth)
        stages = halvings(size, smallest=16, largest=64)
        widths = [width * growth**k for k in reversed(range(stages))]
        many = act.takes * widths[0]
        first = nn.Linear(latent, many * BOTTOM**2)
        he_normal(first, HIDDEN_GAIN)
        layers: list[nn.Module] = [nn.Sequential(first, nn.Unflatten(1, (many, BOTTOM, BOTTOM)), norm(many), act)]
        for k, further in enumerate(_extra(depth, stages)):
            if k:
                layers.append(_layer(UpConv, widths[k - 1], widths[k], norm, act))
            layers += [_layer(Conv3, widths[k], widths[k], norm, act) for _ in range(further)]
        self.layers = nn.Sequential(*layers)
        self.last = conv3(widths[-1], channels, he_normal, 1.0, kind=UpConv)

    def forward(self, z: Tensor) -> Tensor:
        """(B, latent) -> images (B, channels, size, size) in [-1, 1]."""
        return torch.tanh(self.last(self.layers(z)))


class Critic(nn.Module):
    """4x4 convolutions of stride 2 down to 4x4, others of 3x3 between them -> linear.

    Each convolution is followed by ``norm`` (not the first) and ``act``.

    Args:
        width: channels of the first layer; they double as the size is halved.
        depth: layers with weights, as a generator's.
        size: pixels a side: 16, 32 or 64.
        channels: of the image.
        norm: channels -> normalisation layer; ``nn.Identity`` for none.
        act: the nonlinearity.
    """

    def __init__(
        self,
        width: int,
        depth: int = 4,
        *,
        size: int = 32,
        channels: int = 1,
        norm: Norm = BatchNorm,
        act: Activation = LEAKY,
    ) -> None:
        super().__init__()
        check_positive(width=width, channels=channels)
        stages = halvings(size, smallest=16, largest=64)
        down = partial(nn.Conv2d, kernel_size=4, stride=2, padding=1)
        widths = [channels, *(width * 2**k for k in range(stages))]
        layers: list[nn.Module] = []
        for k, further in enumerate(reversed(_extra(depth, stages))):
            layers.append(_layer(down, widths[k], widths[k + 1], norm if k else nn.Identity, act))
            layers += [_layer(Conv3, widths[k + 1], widths[k + 1], norm, act) for _ in range(further)]
        self.layers = nn.Sequential(*layers)
        self.last = nn.Linear(widths[-1] * BOTTOM**2, 1)
        he_normal(self.last, 1.0)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, size, size) -> logits (B,)."""
        logits: Tensor = self.last(torch.flatten(self.layers(x), 1))
        return logits.squeeze(1)


@dataclass(frozen=True)
class Method:
    """A way to train.

    Attributes:
        label: for people.
        objective: what both players minimise.
        optimizer: of either.
        n_critic: critic updates per generator update.
        clip: the critic's weights are kept within this; ``None``: as they are.
        penalty: weight of the gradient penalty.
        norm: what a critic with normalisation has.
    """

    label: str
    objective: Objective
    optimizer: Optimizer
    n_critic: int = 1
    clip: float | None = None
    penalty: float = 0.0
    norm: Norm = BatchNorm


METHODS = {
    "dcgan": Method("DCGAN", non_saturating, adam(2e-4, beta1=0.5)),
    "lsgan": Method("LSGAN", least_squares(), rmsprop(1e-4)),
    "wgan": Method("WGAN (clipping)", wasserstein, rmsprop(5e-5), n_critic=5, clip=0.01),
    "wgan-gp": Method(
        "WGAN-GP", wasserstein, adam(1e-4, beta1=0.5, beta2=0.9), n_critic=5, penalty=10.0, norm=LayerNorm
    ),
}


class Batch(NamedTuple):
    """What losses see."""

    x: Tensor  # real samples
    z: Tensor  # latents, N(0, I)
    eps: Tensor  # U[0, 1] per sample


def game(method: Method, nets: dict[str, nn.Module]) -> Game:
    """The networks G and D in the game of a method."""

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


def built(seed: int, path: Sequence[int | str], build: Callable[[], tuple[nn.Module, nn.Module]]) -> dict[str, Any]:
    """Networks G and D, with weights that are a function of the seed and a path alone."""
    with seeded(seed_for(seed, *path)):
        g, d = build()
    return {"G": g, "D": d}


def trained(
    method: Method, nets: dict[str, nn.Module], data: Data, *, seed: int, steps: int, batch: int, count: int
) -> Tensor | None:
    """Play a game for some generator updates.

    Args:
        method: how.
        nets: G and D.
        data: what to learn.
        seed: of batches and latents.
        steps: generator updates.
        batch: real samples per update.
        count: of the samples.

    Returns:
        Samples of the trained generator, (count, *data.shape); ``None`` where training became non-finite.
    """

    def draw(x: Tensor, y: Tensor | None, rng: torch.Generator) -> Batch:
        return Batch(x, normal(len(x), LATENT, rng), torch.rand(len(x), generator=rng, device=x.device))

    recipe = Recipe((Phase(game(method, nets), steps),), batch, draw, prior=lambda n, rng: normal(n, LATENT, rng))
    settings = Settings(data=data.name, seed=seed, device="cpu", precision="float32", compile="off")
    setup = Setup(method.label, {}, settings, data, recipe, torch.device("cpu"), None, None)
    try:
        _, state, _ = deque(play(setup), maxlen=1).pop()
    except NonFiniteLoss:
        return None
    samples = sampler_of(setup, state, 0)(0, count)
    return samples if bool(samples.isfinite().all()) else None
