"""What a critic's slope tells the generator: a discriminator saturates, a linear critic does not.

Arjovsky et al. 2017 (arXiv:1701.07875), Figure 2: two Gaussians on the line, a discriminator and a WGAN critic trained
to optimality. The discriminator is flat wherever it is sure, so a generator whose samples are there learns nothing from
log(1 - D). The critic is a straight line between the two, whose slope is the same everywhere. With -log D the slope is
that of minus the logit: it does not vanish where D does, which is why that loss is used. (The notes say that at D = 0
the slope of log(1 - D) in D is small, but it is -1 there. It is the slope in the logit that is small, and so that in
x.)

Computed: D* = p/(p + q), the slopes of log(1 - D*) and of -log D* in x, and the Kantorovich potential. Measured: the
same of networks that the engine trained, one with the minimax objective, one as a WGAN-GP critic. Its slope is not 1
but 1 + W / (2 weight): a penalty gives way where a constraint would not, and that is where
-slope W + weight (slope - 1)^2 is least.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure

from zerosum.core.game import Loss, Memory, Nets, Terms
from zerosum.core.optim import adam, linear_decay
from zerosum.core.random import generator
from zerosum.lab.base import Findings, Lab
from zerosum.lab.drawing import line, panels
from zerosum.lab.training import seed_weights, train_critic
from zerosum.networks.mlp import Critic
from zerosum.objectives import minimax, wasserstein
from zerosum.penalties.gradient import wgan_gp
from zerosum.systems import Batch, batch
from zerosum.theory.arrays import Array

FORMULAS = (  # mathtext, and what it is
    (
        r"\frac{d}{dx}\log(1 - D(x)) = -D(x)\,\frac{d}{dx}\mathrm{logit}\,D(x), "
        r"\qquad \frac{d}{dx}(-\log D(x)) = -(1 - D(x))\,\frac{d}{dx}\mathrm{logit}\,D(x)",
        "the slopes that the generator follows",
    ),
    (r"s = 1 + \frac{W}{2\lambda}", "slope of the best WGAN-GP critic"),
)
QUICK = {"steps": 500}
FLAT = 1e-3  # slope of a discriminator that teaches nothing
BATCH = 256
WEIGHT = 10.0  # of the gradient penalty


def batches(apart: float, seed: int) -> Iterator[Batch]:
    """Endless batches of real samples x ~ N(-apart/2, 1), ``fake`` ~ N(apart/2, 1), and eps ~ U[0, 1)."""
    rng = generator(seed, "critic-gradients")
    while True:
        x, fake = torch.randn(2, BATCH, 1, generator=rng)
        yield batch(x=x - apart / 2, fake=fake + apart / 2, eps=torch.rand(BATCH, generator=rng))


def discriminator_loss(n: Nets, b: Batch, m: Memory) -> Terms:
    """The minimax discriminator's loss."""
    return {"adv": minimax.d(n.D(b.x), n.D(b.fake))}


def critic_loss(n: Nets, b: Batch, m: Memory) -> Terms:
    """The loss of a WGAN-GP critic, Gulrajani et al. 2017 (arXiv:1704.00028), Eq. 3."""
    return {"w": wasserstein.d(n.D(b.x), n.D(b.fake)), "gp": WEIGHT * wgan_gp(n.D.frozen, b.x, b.fake, b.eps)}


def train_network(loss: Loss, apart: float, steps: int, lab: Lab, label: str) -> Nets:
    """Train a network on the two Gaussians.

    Args:
        loss: Loss that it descends.
        apart: Distance of the two means.
        steps: Updates to make.
        lab: Seed, folder and progress bars.
        label: Label of the progress bar.
    """
    with seed_weights(lab.seed):
        net = Critic((1,), (64, 64), activation=F.silu)
    optimizer = adam(linear_decay(5e-3, 0, steps))
    return train_critic(net, loss, optimizer, batches(apart, lab.seed), steps, lab=lab, label=label)


def curve(nets: Nets, x: Array) -> tuple[Array, Array]:
    """The outputs of a network on the line, and their slopes."""
    points = torch.tensor(x, dtype=torch.float32)[:, None].requires_grad_()
    values = nets.D(points).flatten()
    (slopes,) = torch.autograd.grad(values.sum(), points)
    return values.detach().double().numpy(), slopes.flatten().double().numpy()


def experiment(lab: Lab, *, apart: float = 8.0, steps: int = 3_000) -> Findings:
    """Train both, and compare what they tell a sample in the middle of the generated ones.

    Args:
        lab: Seed, folder and progress bars.
        apart: Distance of the two means, in standard deviations.
        steps: Updates of either network.
    """
    x = np.linspace(-apart, apart, 401)
    exact_logits, exact_slopes = -apart * x, np.full_like(x, -apart)  # log p - log q of two unit Gaussians
    logits, slopes = curve(train_network(discriminator_loss, apart, steps, lab, "discriminator"), x)
    outputs, critic_slopes = curve(train_network(critic_loss, apart, steps, lab, "critic"), x)
    told = {
        "log(1 - D*)": -_sigmoid(exact_logits) * exact_slopes,
        "log(1 - D), trained": -_sigmoid(logits) * slopes,
        "-log D*": -(1 - _sigmoid(exact_logits)) * exact_slopes,
        "-log D, trained": -(1 - _sigmoid(logits)) * slopes,
        "minus the optimal critic": np.ones_like(x),
        "minus the critic, trained": -critic_slopes,
    }
    inside = (x > -apart / 2) & (x < apart / 2)
    here = int(np.abs(x - apart / 2).argmin())
    slopes_here = {name: float(abs(slope[here])) for name, slope in told.items()}
    between = float(-critic_slopes[inside].max()), float(-critic_slopes[inside].min())
    numbers = {
        "apart": apart,
        "slope_at_generated_samples": slopes_here,
        "critic_slope_between": between,
        "critic_slope_predicted": 1 + apart / (2 * WEIGHT),
    }
    figure = _draw(x, _sigmoid(logits), outputs, told, apart)
    return Findings(numbers, _sentences(slopes_here, between, apart), {"slopes": figure})


def _sigmoid(v: Array) -> Array:
    return np.asarray(np.exp(-np.logaddexp(0, -v)))


def _sentences(slopes: dict[str, float], between: tuple[float, float], apart: float) -> tuple[str, ...]:
    low, high = between
    return (
        *(f"{name}: slope {value:.3g} in the middle of the generated samples" for name, value in slopes.items()),
        f"between the two, {apart:g} apart, the trained critic's slope lies between {low:.3f} and {high:.3f}; "
        f"predicted {1 + apart / (2 * WEIGHT):.3f}",
    )


def _draw(x: Array, d: Array, critic: Array, told: dict[str, Array], apart: float) -> Figure:
    figure, axes = panels(1, 2, width=4.4, height=3.4)
    for i, (mean, label) in enumerate(((-apart / 2, "density of real"), (apart / 2, "density of generated"))):
        axes[0, 0].plot(x, np.exp(-((x - mean) ** 2) / 2) / np.sqrt(2 * np.pi), label=label, **line(i))
    axes[0, 0].plot(x, d, label="discriminator D", **line(2))
    axes[0, 0].plot(x, critic / np.abs(critic).max(), label="WGAN critic (scaled)", **line(3))
    axes[0, 0].set(xlabel="x", title="after training")
    axes[0, 0].legend(fontsize=7)
    for i, name in enumerate(("log(1 - D), trained", "-log D, trained", "minus the critic, trained")):
        axes[0, 1].plot(x, np.abs(told[name]), label=name, **line(i))
    axes[0, 1].set(yscale="log", ylim=(1e-8, 1e5), xlabel="x", ylabel="|slope|", title="what the generator is told")
    axes[0, 1].legend(fontsize=7, loc="upper left")
    return figure


def claims(numbers: Mapping[str, Any]) -> dict[str, bool]:
    """What these numbers show of the claims that the page is about, and what not."""
    slopes = numbers["slope_at_generated_samples"]
    return {
        "the discriminator is flat where it is sure": slopes["log(1 - D), trained"] < FLAT,
        "the WGAN critic is not": slopes["minus the critic, trained"] > 0.5,
    }
