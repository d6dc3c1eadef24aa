"""The optimal discriminator: trained on known densities, D reaches p/(p + q), and V reaches 2 JSD - log 4.

Goodfellow et al. 2014 (arXiv:1406.2661), Proposition 1: for a fixed generator the best D is p/(p + q). Its value is
V(D*, G) = 2 JSD(p||q) - log 4, which is -log 4 when the two are equal. The first set of the lecture notes gives this as
D_JS - log 4 in two places, without the 2; with its own definition of the divergence the 2 must be there, and the value
that D reaches here is above what that formula allows.

Here the generator is not a player: real and generated samples come from two known densities on a line. D is a small
network, trained by the engine on the minimax objective. V is then computed exactly, as a sum over a fine grid, and so
it can never be above that of D*: the gap is what D still has to learn.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from zerosum.core.game import Game, Memory, Nets, Player, State, Terms, start
from zerosum.core.optim import adam, linear_decay
from zerosum.core.train import train
from zerosum.lab.base import Findings, Lab
from zerosum.lab.drawing import line, panels
from zerosum.lab.training import seed_weights
from zerosum.networks.mlp import Critic
from zerosum.objectives import minimax
from zerosum.objectives.objective import Objective
from zerosum.systems import Batch, batch
from zerosum.theory.arrays import Array
from zerosum.theory.discriminator import best_value, optimal_discriminator, value
from zerosum.theory.divergences import discretise, jensen_shannon

FORMULAS = (  # mathtext, and what it is
    (r"D^*(x) = \frac{p(x)}{p(x) + q(x)}", "the best D"),
    (r"V(D^*, G) = 2\,\mathrm{JSD}(p\,\|\,q) - \log 4", "its value"),
)
QUICK = {"steps": 500}
GRID = np.linspace(-7, 7, 1401)


@dataclass(frozen=True)
class Mixture:
    """A mixture of Gaussians on a line.

    Attributes:
        means: Mean of each.
        stds: Standard deviation of each.
        weights: Weight of each, with sum 1.
    """

    means: tuple[float, ...]
    stds: tuple[float, ...]
    weights: tuple[float, ...]

    def density(self, x: Array) -> Array:
        """Density at points, (N,) -> (N,)."""
        parts = zip(self.weights, self.means, self.stds, strict=True)
        return np.asarray(sum(w / s * np.exp(-(((x - m) / s) ** 2) / 2) for w, m, s in parts) / math.sqrt(2 * math.pi))

    def sample(self, count: int, rng: torch.Generator) -> Tensor:
        """Draw samples, (count, 1)."""
        which = torch.multinomial(torch.tensor(self.weights), count, replacement=True, generator=rng)
        mean, std = torch.tensor(self.means)[which], torch.tensor(self.stds)[which]
        return (mean + std * torch.randn(count, generator=rng))[:, None]


CASES = {
    "different": (Mixture((-1.5, 1.5), (0.6, 0.6), (0.6, 0.4)), Mixture((0.5,), (1.2,), (1.0,))),
    "equal": (Mixture((-1.5, 1.5), (0.6, 0.6), (0.6, 0.4)),) * 2,
}


def learner(objective: Objective, steps: int, lr: float, seed: int) -> Game:
    """The game whose only player is D, a network of 2,241 weights.

    Args:
        objective: Objective, of which D minimises its part.
        steps: Updates; from half of them on the learning rate falls to 0.
        lr: Learning rate at first.
        seed: Seed of the weights.
    """

    def loss(n: Nets, b: Batch, m: Memory) -> Terms:
        return {"loss": objective.d(n.D(b.real), n.D(b.fake))}

    with seed_weights(seed):
        critic = Critic((1,), (32, 64), activation=torch.tanh)
    return Game({"D": critic}, {"D": adam(linear_decay(lr, steps // 2, steps + 1))}, {"D": Player(("D",), loss)})


def batches(p: Mixture, q: Mixture, size: int, seed: int) -> Iterator[Batch]:
    """Endless batches of fresh samples, ``real`` from p and ``fake`` from q, (size, 1) each."""
    rng = torch.Generator().manual_seed(seed)
    while True:
        yield batch(real=p.sample(size, rng), fake=q.sample(size, rng))


def train_discriminator(
    objective: Objective, p: Mixture, q: Mixture, *, steps: int, batch_size: int, lr: float, seed: int
) -> Iterator[tuple[int, Callable[[], Array]]]:
    """Train D, and yield at each step, 0 included, its number and a function that returns D on the ``GRID``.

    Args:
        objective: Objective, of which D minimises its part.
        p: Distribution of the real samples.
        q: Distribution of the generated samples.
        steps: Updates of D.
        batch_size: Samples of either kind, fresh at every step.
        lr: Learning rate of Adam, constant for the first half and then falling to 0.
        seed: Seed of everything random.
    """
    game = learner(objective, steps, lr, seed)
    begin = start(game)
    yield 0, partial(evaluate_on_grid, game, begin)
    for t, state, _ in train(game, begin, batches(p, q, batch_size, seed), steps, check_every=100):
        yield t + 1, partial(evaluate_on_grid, game, state)


def evaluate_on_grid(game: Game, state: State) -> Array:
    """Evaluate D = sigmoid(logit) at every point of the ``GRID``, (N,), in float64."""
    with torch.no_grad():
        logits = Nets(game, state, None).D(torch.from_numpy(GRID).float()[:, None])
    return np.asarray(torch.sigmoid(logits.double()).numpy())


def experiment(lab: Lab, *, steps: int = 4_000, batch_size: int = 512, lr: float = 3e-3) -> Findings:
    """Train D on two densities that differ, and on two that do not.

    Args:
        lab: Seed, folder and progress bars.
        steps: Updates of D.
        batch_size: Samples of either kind, fresh at every step.
        lr: Learning rate of Adam, constant for the first half and then falling to 0.
    """
    curves: dict[str, list[tuple[int, float]]] = {}
    last: dict[str, Array] = {}
    numbers: dict[str, dict[str, float]] = {}
    every = max(steps // 100, 1)
    for name, (real, fake) in CASES.items():
        p, q = (discretise(one.density, GRID)[0] for one in (real, fake))
        play = train_discriminator(minimax, real, fake, steps=steps, batch_size=batch_size, lr=lr, seed=lab.seed)
        curves[name] = []
        for t, d in lab.track(play, f"D on {name} densities", steps + 1):
            if t % every == 0 or t == steps:
                last[name] = d()
                curves[name].append((t, value(last[name], p, q)))
        weights = (p + q) / 2
        errors = np.abs(last[name] - optimal_discriminator(p, q))
        numbers[name] = {
            "v": curves[name][-1][1],
            "v_best": best_value(p, q),
            "jsd": jensen_shannon(p, q),
            "v_as_in_the_notes": jensen_shannon(p, q) - math.log(4),
            "mean_error": float(weights @ errors),
            "largest_error": float(errors[weights > 0.01 * weights.max()].max()),
        }
    return Findings(
        {"cases": numbers, "curves": curves}, tuple(_sentence(k, n) for k, n in numbers.items()), _draw(last, curves)
    )


def _sentence(name: str, n: dict[str, float]) -> str:
    return (
        f"{name} densities: V = {n['v']:.4f}, 2 JSD - log 4 = {n['v_best']:.4f} (JSD - log 4 would be "
        f"{n['v_as_in_the_notes']:.4f}); |D - D*| is {n['mean_error']:.4f} on average over samples"
    )


def _draw(last: dict[str, Array], curves: dict[str, list[tuple[int, float]]]) -> dict[str, Figure]:
    figure, axes = panels(1, 3, width=3.7)
    seen = np.abs(GRID) < 5
    for axis, (name, (real, fake)) in zip(axes[0], CASES.items(), strict=False):
        p, q = real.density(GRID), fake.density(GRID)
        axis.fill_between(GRID[seen], p[seen], color="#cccccc", label="p (density)")
        axis.plot(GRID[seen], q[seen], color="#888888", linewidth=1, label="q (density)")
        axis.plot(GRID[seen], optimal_discriminator(p, q)[seen], label="D*", **line(0))
        axis.plot(GRID[seen], last[name][seen], label="D trained", **line(2) | {"linestyle": "--"})
        axis.set(xlabel="x", ylabel="D, density per unit of x", ylim=(0, 1.35), title=f"{name} densities")
        axis.set_yticks([0, 0.25, 0.5, 0.75, 1])
        axis.legend(fontsize=8, ncols=2, loc="upper center")
    for i, (name, curve) in enumerate(curves.items()):
        p, q = (discretise(one.density, GRID)[0] for one in CASES[name])
        axes[0, 2].plot(*zip(*curve, strict=True), label=f"V, {name}", **line(2 * i))
        axes[0, 2].axhline(best_value(p, q), label=f"2 JSD - log 4, {name}", color=line(2 * i)["color"], linewidth=0.7)
    axes[0, 2].set(xlabel="step of D", ylabel="V(D), nats", title="the value that D reaches")
    low, high = min(v for c in curves.values() for _, v in c[1:]), max(v for c in curves.values() for _, v in c)
    axes[0, 2].set_ylim(low - 0.1 * (high - low), high + 0.8 * (high - low))
    axes[0, 2].legend(fontsize=8, loc="upper right")
    return {"values": figure}


def claims(numbers: Mapping[str, Any]) -> dict[str, bool]:
    """What these numbers show of the claims that the page is about, and what not."""
    cases = numbers["cases"]
    return {
        "a trained D reaches p/(p + q), and V reaches 2 JSD - log 4, within 0.01": all(
            abs(one["v"] - one["v_best"]) < 0.01 and one["mean_error"] < 0.02 for one in cases.values()
        ),
        "V is above JSD - log 4, as the notes have it": cases["different"]["v"]
        > cases["different"]["v_as_in_the_notes"],
    }
