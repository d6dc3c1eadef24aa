"""The critic's landscape: what clipping cannot see, and penalties can.

Gulrajani et al. 2017 (arXiv:1704.00028), Section 3.1 and Figure 1: hold the generator at the real data plus Gaussian
noise, train the critic to optimality, and look at its level sets. A clipped critic makes extremely simple functions: it
sees where the data are on the whole, and misses their higher moments. With a gradient penalty it follows every mode.
Beside these two there are a DRAGAN critic (a classifier whose slope is held at 1 around the data) and a spectrally
normalised one (hinge loss; slope at most 1 everywhere).

Measured where the truth is known, on rings and grids of Gaussians: the rank correlation of the critic's value with log
p(x) - log q(x), the exact log ratio of real and noised density, at samples of both kinds. Every optimal classifier
orders points by that ratio; a Wasserstein critic need not, but should rise towards every mode.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count, islice
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from zerosum.constraints import power_iteration, spectral_norm
from zerosum.constraints.clipping import clip
from zerosum.core.game import Loss, Memory, Nets, Projection, Terms
from zerosum.core.optim import Optimizer, adam, linear_decay, rmsprop
from zerosum.core.random import generator
from zerosum.data import Data, load
from zerosum.data.points import Points
from zerosum.lab.base import Findings, Lab
from zerosum.lab.drawing import panels
from zerosum.lab.training import seed_weights, train_critic
from zerosum.networks.common import Wrap, keep
from zerosum.networks.mlp import Critic
from zerosum.objectives import hinge, non_saturating, wasserstein
from zerosum.penalties.gradient import dragan, wgan_gp
from zerosum.systems import Batch, batch

FORMULAS = (  # mathtext, and what it is
    (
        r"L_D = \mathbb{E}\,D(\tilde x) - \mathbb{E}\,D(x) + \lambda\,\mathbb{E}\,(\|\nabla D(\hat x)\| - 1)^2",
        "the critic's loss with a gradient penalty",
    ),
    (r"\log\frac{p(x)}{q(x)}", "what the critic's value is compared with"),
)
QUICK = {"steps": 250, "width": 64}
DATA = ("ring", "grid", "swiss-roll")
BATCH = 256


def decaying_adam(steps: int) -> Optimizer:
    """Adam as in WGAN-GP's toy experiments, with a rate that falls to 0."""
    return adam(linear_decay(1e-3, 0, steps), beta1=0.5, beta2=0.9)


@dataclass(frozen=True)
class CriticTraining:
    """A way to train a critic.

    Attributes:
        loss: Loss that it descends.
        optimizer: Steps -> optimizer.
        project: Network -> its constraint.
        wrap: What each of its layers is wrapped in.
    """

    loss: Loss
    optimizer: Callable[[int], Optimizer] = decaying_adam
    project: Callable[[Critic], dict[str, Projection]] = lambda net: {}
    wrap: Wrap = keep


def clipped_loss(n: Nets, b: Batch, m: Memory) -> Terms:
    """The loss of a WGAN critic."""
    return {"w": wasserstein.d(n.D(b.x), n.D(b.fake))}


def penalised_loss(n: Nets, b: Batch, m: Memory) -> Terms:
    """The loss of a WGAN-GP critic, with the weight of its authors' toy experiments."""
    return {"w": wasserstein.d(n.D(b.x), n.D(b.fake)), "gp": 0.1 * wgan_gp(n.D.frozen, b.x, b.fake, b.eps)}


def dragan_loss(n: Nets, b: Batch, m: Memory) -> Terms:
    """The loss of a DRAGAN critic."""
    penalty = 0.1 * dragan(n.D.frozen, b.x, b.noise, b.eps)
    return {"adv": non_saturating.d(n.D(b.x), n.D(b.fake)), "gp": penalty}


def hinge_loss(n: Nets, b: Batch, m: Memory) -> Terms:
    """The loss of an SNGAN critic."""
    return {"hinge": hinge.d(n.D(b.x), n.D(b.fake))}


WAYS = {
    "clipped at 0.01": CriticTraining(clipped_loss, lambda steps: rmsprop(5e-4), lambda net: {"D": clip(0.01)}),
    "gradient penalty": CriticTraining(penalised_loss),
    "DRAGAN": CriticTraining(dragan_loss),
    "spectral norm": CriticTraining(hinge_loss, project=lambda net: {"D": power_iteration(net)}, wrap=spectral_norm),
}


def batches(data: Data, noise: float, seed: int) -> Iterator[Batch]:
    """Endless batches of real samples x, others plus noise (``fake``), eps ~ U[0, 1), and ``noise`` like x for DRAGAN.

    Args:
        data: Source of the real samples.
        noise: Standard deviation of the noise that makes generated samples of real ones.
        seed: Seed of everything random.
    """
    for k in count():
        rng = generator(seed, "landscape", k)
        x, _ = data.batch(2 * k, BATCH, seed=seed)
        other, _ = data.batch(2 * k + 1, BATCH, seed=seed)
        fake = other + noise * torch.randn(other.shape, generator=rng)
        eps = torch.rand(BATCH, generator=rng)
        yield batch(x=x, fake=fake, eps=eps, noise=torch.rand(x.shape, generator=rng))


def train_against_noise(
    way: CriticTraining, data: Data, *, noise: float, width: int, steps: int, lab: Lab, label: str
) -> Nets:
    """Train a critic while the generator is held where it is.

    Args:
        way: Way to train.
        data: Source of the real samples.
        noise: Standard deviation of the noise that makes generated samples of real ones.
        width: Width of the critic's three hidden layers.
        steps: Updates to make.
        lab: Seed, folder and progress bars.
        label: Label of the progress bar.
    """
    with seed_weights(lab.seed):
        net = Critic((2,), (width,) * 3, wrap=way.wrap)
    drawn = batches(data, noise, lab.seed)
    optimizer, project = way.optimizer(steps), way.project(net)
    return train_critic(net, way.loss, optimizer, drawn, steps, lab=lab, label=label, project=project)


def log_ratio(points: Tensor, data: Points, noise: float) -> Tensor:
    """log p - log q at points (N, 2), where p is the mixture itself and q the same with noise."""
    assert data.std is not None

    def log_density(std: float) -> Tensor:
        squares = (points[:, None] - data.modes).double().square().sum(2)
        return torch.logsumexp(-squares / (2 * std**2), 1) - 2 * math.log(std)

    return log_density(data.std) - log_density(math.hypot(data.std, noise))


def agreement(critic: Nets, data: Points, noise: float, seed: int) -> float:
    """Spearman's correlation of a critic's values with the log ratio, at about 2,000 samples of either kind."""
    from scipy.stats import spearmanr

    drawn = list(islice(batches(data, noise, seed + 1), 8))
    points = torch.cat([part for b in drawn for part in (b.x, b.fake)])
    with torch.no_grad():
        values = critic.D(points)
    return float(spearmanr(values.numpy(), log_ratio(points, data, noise).numpy()).statistic)


def experiment(lab: Lab, *, steps: int = 3_000, width: int = 256, noise: float = 0.5) -> Findings:
    """Train each critic on each data set.

    Args:
        lab: Seed, folder and progress bars.
        steps: Updates of each critic.
        width: Width of its three hidden layers.
        noise: Standard deviation of the noise that makes generated samples of real ones.
    """
    surfaces: dict[tuple[str, str], np.ndarray] = {}
    found: dict[str, dict[str, float]] = {}
    for label, way in WAYS.items():
        found[label] = {}
        for name in DATA:
            data = load(name)
            title = f"{label}, {name}"
            critic = train_against_noise(way, data, noise=noise, width=width, steps=steps, lab=lab, label=title)
            surfaces[label, name] = _surface(critic)
            if isinstance(data, Points) and data.std is not None:
                found[label][name] = agreement(critic, data, noise, lab.seed)
    says = tuple(
        f"{label}: rank correlation with the exact log ratio "
        + ", ".join(f"{value:.3f} on the {name}" for name, value in values.items())
        for label, values in found.items()
    )
    return Findings({"rank_correlation": found}, says, {"levels": _draw(surfaces)})


AXIS = np.linspace(-2.6, 2.6, 120)


def _surface(critic: Nets) -> np.ndarray:
    places = torch.tensor(np.stack(np.meshgrid(AXIS, AXIS), -1).reshape(-1, 2), dtype=torch.float32)
    with torch.no_grad():
        return np.asarray(critic.D(places).reshape(len(AXIS), len(AXIS)).numpy())


def _draw(surfaces: Mapping[tuple[str, str], np.ndarray]) -> Figure:
    figure, axes = panels(len(DATA), len(WAYS), width=2.3, height=2.3)
    for i, name in enumerate(DATA):
        real, _ = load(name).batch(0, 500, seed=0)
        for panel, label in zip(axes[i], WAYS, strict=True):
            panel.contour(AXIS, AXIS, surfaces[label, name], levels=14, cmap="viridis", linewidths=0.8)
            panel.scatter(*real.T.tolist(), s=2, c="#D55E00", linewidths=0)
            panel.set(xlim=(-2.6, 2.6), ylim=(-2.6, 2.6), aspect="equal", title=label if i == 0 else "")
            panel.set_xticks([])
            panel.set_yticks([])
        axes[i, 0].set_ylabel(name)
    return figure


def claims(numbers: Mapping[str, Any]) -> dict[str, bool]:
    """What these numbers show of the claims that the page is about, and what not."""
    found = numbers["rank_correlation"]
    (clipped,) = (values for name, values in found.items() if name.startswith("clipped"))
    penalty = found["gradient penalty"]
    return {
        "a critic with a gradient penalty follows the modes (rank correlation above 0.7), a clipped one does not": all(
            penalty[data] > 0.7 > clipped[data] for data in penalty
        )
    }
