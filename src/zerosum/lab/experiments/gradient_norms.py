"""Gradient norms through twelve layers: clipping lets them explode or vanish, a penalty keeps them level.

Gulrajani et al. 2017 (arXiv:1704.00028), Section 3.2 and Figure 1b: a critic of twelve ReLU layers on the Swiss roll,
weights clipped at 0.1, 0.01 or 0.001, or with a gradient penalty. They plot the norm of the gradient of the critic's
loss with respect to the outputs of each layer. Where the clipping threshold is small the gradient dies on its way to
the first layers, where it is large it grows; no threshold is right for every depth. They also plot the weights:
clipping pushes them to the two ends of the allowed range, the penalty leaves them spread.

Measured: that norm at every layer; the factor by which it changes per layer on its way back (least squares on its
logarithm); the share of weights at either end. Predicted for clipping at c, where ReLU lets half of the units through:
c sqrt(width / 2) for weights of -c and c in random order, c width / 2 for weights of one sign. In layers of 512 that
is 0.16 to 2.6 for 0.01, so gradients die if signs are mixed; and 1.6 to 26 for 0.1, so they explode.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from zerosum.constraints.clipping import clip
from zerosum.core.game import Loss, Memory, Nets, Projection, Terms
from zerosum.core.optim import Optimizer, Tensors, adam, rmsprop
from zerosum.data import load
from zerosum.lab.base import Findings, Lab
from zerosum.lab.drawing import line, panels
from zerosum.lab.experiments.critic_landscape import batches, clipped_loss
from zerosum.lab.training import seed_weights, train_critic
from zerosum.networks.mlp import Critic
from zerosum.objectives import wasserstein
from zerosum.penalties.gradient import wgan_gp
from zerosum.systems import Batch

FORMULAS = (  # mathtext, and what it is
    (
        r"c\,\sqrt{n/2} \quad\mathrm{and}\quad c\,n/2",
        "the factor per layer of n units with weights of plus and minus c, for random and for equal signs",
    ),
)
QUICK = {"steps": 150, "width": 64}
DEPTH = 12
THRESHOLDS = (0.1, 0.01, 0.001)


class Regularisation(NamedTuple):
    """A way to train the critic.

    Attributes:
        loss: Loss that it descends.
        optimizer: Optimizer of the critic.
        project: Constraint on it, by the name of the network.
    """

    loss: Loss
    optimizer: Optimizer
    project: dict[str, Projection]


def wgan_gp_loss(n: Nets, b: Batch, m: Memory) -> Terms:
    """The clipped critic's loss, and the penalty with weight 10."""
    return clipped_loss(n, b, m) | {"gp": 10 * wgan_gp(n.D.frozen, b.x, b.fake, b.eps)}


def build_critic(width: int, seed: int) -> Critic:
    """Build a critic of twelve hidden layers, initialised as in He et al. 2015, so that gradients begin level."""
    with seed_weights(seed):
        net = Critic((2,), (width,) * DEPTH)
        for layer in [*net.layers, net.last]:
            assert isinstance(layer, nn.Linear)
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
    return net


WAYS = {f"clipped at {c:g}": Regularisation(clipped_loss, rmsprop(5e-5), {"D": clip(c)}) for c in THRESHOLDS}
WAYS["gradient penalty"] = Regularisation(wgan_gp_loss, adam(1e-4, beta1=0.5, beta2=0.9), {})


def norms(weights: Tensors, batch: Batch) -> list[float]:
    """Norms of the gradient of the Wasserstein loss in the outputs of each hidden layer, from the first to the last."""

    def forward(x: Tensor) -> tuple[Tensor, list[Tensor]]:
        outputs = []
        for i in range(DEPTH):
            x = torch.relu(nn.functional.linear(x, weights[f"layers.{i}.weight"], weights[f"layers.{i}.bias"]))
            outputs.append(x.requires_grad_())
        return nn.functional.linear(x, weights["last.weight"], weights["last.bias"]).flatten(), outputs

    real, hidden = forward(batch.x)
    fake, others = forward(batch.fake)
    grads = torch.autograd.grad(wasserstein.d(real, fake), hidden + others)
    pairs = zip(grads[:DEPTH], grads[DEPTH:], strict=True)
    return [float(torch.cat([a, b]).double().norm()) for a, b in pairs]


def experiment(lab: Lab, *, steps: int = 1_000, width: int = 512, noise: float = 1.0) -> Findings:
    """Train each critic, then follow its gradient back.

    Args:
        lab: Seed, folder and progress bars.
        steps: Updates of each critic.
        width: Width of each of its hidden layers.
        noise: Standard deviation of the noise that makes generated samples of real ones.
    """
    data = load("swiss-roll")
    found: dict[str, list[float]] = {}
    weights: dict[str, np.ndarray] = {}
    for name, (loss, optimizer, project) in WAYS.items():
        drawn = batches(data, noise, lab.seed)
        net = build_critic(width, lab.seed)
        learnt = train_critic(net, loss, optimizer, drawn, steps, lab=lab, label=name, project=project).D.weights
        found[name] = norms(learnt, next(batches(data, noise, lab.seed + 1)))
        weights[name] = torch.cat([w.flatten() for k, w in learnt.items() if "weight" in k]).numpy()
    factors = {name: factor(values) for name, values in found.items()}
    ends = {name: share_at_the_ends(weights[name], c) for name, c in zip(weights, THRESHOLDS, strict=False)}
    predicted = {name: (c * math.sqrt(width / 2), c * width / 2) for name, c in zip(ends, THRESHOLDS, strict=True)}
    says = tuple(
        f"{name}: on its way back the gradient is multiplied by {value:.3g} a layer"
        + (_clipping_words(predicted[name], ends[name]) if name in ends else "")
        for name, value in factors.items()
    )
    numbers = {"norms": found, "factor_per_layer": factors, "predicted": predicted, "share_at_the_ends": ends}
    return Findings(numbers, says, {"norms": _draw(found), "weights": _draw_weights(weights)})


def _clipping_words(predicted: tuple[float, float], ends: float) -> str:
    random, equal = predicted
    return f", predicted {random:.3g} for random signs, {equal:.3g} for equal ones; {ends:.0%} of the weights at an end"


def factor(values: Sequence[float]) -> float:
    """The factor from the norm at one layer to that at the layer before it: least squares on its logarithm."""
    logs = np.log(np.maximum(np.asarray(values), 1e-300))
    return float(np.exp(-np.polyfit(np.arange(len(logs)), logs, 1)[0]))


def share_at_the_ends(weights: np.ndarray, c: float) -> float:
    """The share of weights within 1% of -c or c."""
    return float((np.abs(weights) > 0.99 * c).mean())


def _draw(found: Mapping[str, Sequence[float]]) -> Figure:
    figure, axes = panels(1, 1, width=5.0, height=3.4)
    for i, (name, values) in enumerate(found.items()):
        axes[0, 0].plot(range(1, DEPTH + 1), np.maximum(values, 1e-45), label=name, **line(i, marked=True))
    axes[0, 0].set(yscale="log", xlabel="hidden layer", ylabel="norm of the loss's gradient", title="after training")
    axes[0, 0].legend(fontsize=8)
    return figure


def _draw_weights(weights: Mapping[str, np.ndarray]) -> Figure:
    figure, axes = panels(1, len(weights), width=2.5, height=2.4)
    for i, (panel, (name, values)) in enumerate(zip(axes[0], weights.items(), strict=True)):
        reach = float(np.quantile(np.abs(values), 0.999))
        panel.hist(values, bins=60, range=(-reach, reach), color=line(i)["color"])
        panel.set(xlabel="weight", yticks=[], title=name)
    return figure


def claims(numbers: Mapping[str, Any]) -> dict[str, bool]:
    """What these numbers show of the claims that the page is about, and what not."""
    factors = numbers["factor_per_layer"]
    clipped = [factor for name, factor in factors.items() if name.startswith("clipped")]
    return {
        "under some clipping threshold the gradient dies (less than half is left by a layer)": min(clipped) < 0.5,
        "under another it explodes (more than twice as much)": max(clipped) > 2,
        "with the penalty it stays level": 0.5 < factors["gradient penalty"] < 2,
    }
