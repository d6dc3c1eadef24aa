"""The Dirac-GAN: the smallest GAN, and which regularisers make it converge.

Real data are the single point 0, the generator makes the single point theta, the critic is D(x) = psi x. Mescheder et
al. 2018 (arXiv:1801.04406) show with it that training a GAN need not converge even though a generator of zero loss is
within reach: without a regulariser the field's eigenvalues at the equilibrium (0, 0) are i/2 and -i/2, so the players
circle.

The R1 penalty gamma/2 psi^2 moves them to -gamma/2 +- sqrt(gamma^2/4 - 1/4), to the left of the imaginary axis (as
descent sees it: those of the Jacobian have a positive real part), and so does noise on the critic's inputs. Clipping
does not, and neither does WGAN-GP, which demands slope 1 of a critic for which slope 0 would be right: with a small
weight the players circle for ever; with a weight of 1 or more they come to rest, but at theta = 2 weight, psi = 0,
where the penalty's pull on psi balances the game's.

Predicted: the rate of the largest eigenvalue of a step, from the Jacobian of the engine's own field. Measured: the
slope of log distance in training from nearby, and where there is no rate, the least distance in the last quarter.

Eigenvalues speak of the neighbourhood of (0, 0) only, where the rates are measured; the picture begins far away, and
there the non-saturating game spirals inwards. Both are right. Its field differs from that of a zero-sum game in the
third order, which takes u tanh(u/2), with u = psi theta, from half the squared distance r^2 in a unit of time: on
average r^4/16. Simultaneous steps add lr r^2/8 to it. The two balance on a circle of radius sqrt(2 lr), which is
approached from either side, so that game neither converges nor runs away. Steps in turn add nothing: the distance
falls after t steps as sqrt(8 / (lr t)), which is slower than any rate below 1. Minimax has no such term, and runs away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from zerosum.constraints.clipping import clip
from zerosum.core.dynamics import Dynamics, alternating, simultaneous
from zerosum.core.game import Game, Memory, Nets, Player, Terms, start
from zerosum.core.optim import sgd
from zerosum.lab.base import Findings, Lab
from zerosum.lab.drawing import line, panels
from zerosum.lab.training import Scalar, growth, path
from zerosum.objectives import minimax, non_saturating, wasserstein
from zerosum.objectives.objective import Objective
from zerosum.penalties.gradient import r1, wgan_gp
from zerosum.theory import differentiable

FORMULAS = (  # mathtext, and what it is
    (r"\min_\theta \max_\psi\; f(-\psi\theta) + f(0), \qquad f(t) = -\log(1 + e^{-t})", "the game in its minimax form"),
    (
        r"\lambda = -\frac{\gamma}{2} \pm \sqrt{\frac{\gamma^2}{4} - \frac{1}{4}}",
        "eigenvalues at the equilibrium with R1 of weight gamma",
    ),
    (r"r \approx \sqrt{2\eta}", "radius of the cycle that the non-saturating game ends in under simultaneous steps"),
)
QUICK = {"steps": 600}
LEAST_VALUES = {"steps": 4}
UNSTEADIED = 3  # games at the head of the list that nothing makes converge
FAR, NEAR = {"G": 0.6, "D": 0.4}, {"G": 0.03, "D": 0.02}  # theta and psi at first: for the picture, for the rate
QUANTILES = 64
REAL = torch.zeros(1, 1, dtype=torch.float64)
DiracPenalty = Callable[[Nets, Tensor], Tensor]  # (nets, fake) -> scalar


class Linear(nn.Module):
    """D(x) = psi x, where psi is 0 at first."""

    def __init__(self) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.zeros((), dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1) -> (N,)."""
        return self.value * x[:, 0]


def dirac_game(
    objective: Objective, lr: float, *, penalty: DiracPenalty | None = None, c: float | None = None, noise: float = 0.0
) -> Game:
    """The game on real data {0}, with its players at the equilibrium.

    Args:
        objective: Objective of both players.
        lr: Step size.
        penalty: What the critic minimises in addition.
        c: Bound to which its weight is clipped; ``None`` for no clipping.
        noise: Standard deviation of noise on all that it sees; the expectation is computed, not sampled.
    """
    # Quantiles of N(0, 1) instead of samples: the same expectation at every step.
    z = noise * torch.special.ndtri((torch.arange(QUANTILES, dtype=torch.float64)[:, None] + 0.5) / QUANTILES)

    def logits(n: Nets) -> tuple[Tensor, Tensor]:
        fake = n.G().reshape(1, 1)
        return n.D(REAL + z), n.D(fake + z)

    def d_loss(n: Nets, b: None, m: Memory) -> Terms:
        terms = {"adv": objective.d(*logits(n))}
        return terms if penalty is None else terms | {"penalty": penalty(n, n.G().reshape(1, 1))}

    def g_loss(n: Nets, b: None, m: Memory) -> Terms:
        return {"adv": objective.g(*logits(n))}

    return Game(
        {"D": Linear(), "G": Scalar()},
        {"D": sgd(lr), "G": sgd(lr)},
        {"D": Player(("D",), d_loss), "G": Player(("G",), g_loss)},
        project={} if c is None else {"D": clip(c)},
    )


def games(lr: float, gamma: float, noise: float) -> dict[str, tuple[Game, Dynamics]]:
    """The games that are compared, each with its dynamics.

    Args:
        lr: Step size of both players.
        gamma: Weight of R1.
        noise: Standard deviation of the instance noise.
    """

    def r1_penalty(n: Nets, fake: Tensor) -> Tensor:
        return gamma / 2 * r1(n.D.frozen, REAL)

    def slope_one(weight: float) -> DiracPenalty:
        return lambda n, fake: weight * wgan_gp(n.D.frozen, REAL, fake, torch.full((1,), 0.5, dtype=torch.float64))

    return {
        "minimax": (dirac_game(minimax, lr), simultaneous),
        "non-saturating": (dirac_game(non_saturating, lr), simultaneous),
        "the same, alternating": (dirac_game(non_saturating, lr), alternating),
        f"R1, gamma {gamma:g}": (dirac_game(non_saturating, lr, penalty=r1_penalty), simultaneous),
        f"instance noise {noise:g}": (dirac_game(non_saturating, lr, noise=noise), simultaneous),
        "WGAN, clipped at 1": (dirac_game(wasserstein, lr, c=1.0), simultaneous),
        "WGAN-GP, weight 0.2": (dirac_game(wasserstein, lr, penalty=slope_one(0.2)), simultaneous),
        "WGAN-GP, weight 1": (dirac_game(wasserstein, lr, penalty=slope_one(1.0)), simultaneous),
    }


def analyse(game: Game, dynamics: Dynamics, lr: float) -> tuple[np.ndarray, float]:
    """Compute the eigenvalues of the Jacobian at (0, 0), and the rate of a step there."""
    j, blocks = differentiable.jacobian(game, start(game))
    in_turn = dynamics is alternating
    step = differentiable.alternating(j, lr, blocks) if in_turn else differentiable.simultaneous(j, lr)
    return np.linalg.eigvals(j), differentiable.rate(step)


def experiment(lab: Lab, *, lr: float = 0.1, steps: int = 1_000, gamma: float = 0.3, noise: float = 1.0) -> Findings:
    """Train from the same place with each regulariser.

    Args:
        lab: Seed, folder and progress bars.
        lr: Step size of both players.
        steps: Steps of both players.
        gamma: Weight of R1.
        noise: Standard deviation of the instance noise.
    """
    played = games(lr, gamma, noise)
    paths: dict[str, np.ndarray] = {}
    numbers: dict[str, dict[str, object]] = {}
    says = []
    for name, (game, dynamics) in lab.track(played.items(), "Dirac-GAN", len(played)):
        paths[name] = path(game, FAR, steps, dynamics)
        if name.startswith("WGAN"):
            least = float(np.linalg.norm(paths[name][3 * steps // 4 :], axis=1).min())
            theta, psi = paths[name][-1]
            numbers[name] = {"least_late_distance": least, "theta": theta, "psi": psi}
            where = f"theta {theta:.3f}, psi {psi:.3f} after {steps:,} steps"
            says.append(f"{name}: {where}, never nearer to (0, 0) than {least:.3f} in their last quarter")
            continue
        values, predicted = analyse(game, dynamics, lr)
        rate = growth(np.linalg.norm(path(game, NEAR, steps // 2, dynamics), axis=1))
        numbers[name] = {"eigenvalues": [[v.real, v.imag] for v in values], "rate": rate, "predicted": predicted}
        says.append(f"{name}: distance times {rate:.5f} a step; the eigenvalues at (0, 0) predict {predicted:.5f}")
    near = {name: path(game, NEAR, steps, dynamics) for name, (game, dynamics) in list(played.items())[:UNSTEADIED]}
    says += [_describe(name, paths[name], near[name], lr) for name in near]
    figures = {"paths": _draw(paths), "distances": _draw_distances(paths, near, lr)}
    return Findings({"lr": lr, "gamma": gamma, "noise": noise, "games": numbers}, tuple(says), figures)


def cycle(lr: float) -> float:
    """Radius of the circle on which simultaneous steps of the non-saturating game end, to the first order: sqrt(2 lr).

    Args:
        lr: Step size of both players.
    """
    return float(np.sqrt(2 * lr))


def _describe(name: str, far: np.ndarray, near: np.ndarray, lr: float) -> str:
    begin, end, close, after = (float(np.linalg.norm(place)) for place in (far[0], far[-1], near[0], near[-1]))
    says = f"{name}: from afar the distance goes from {begin:.3f} to {end:.3f}, from nearby {close:.3f} to {after:.3f}"
    return f"{says}; both go to a circle of radius {cycle(lr):.3f}" if name == "non-saturating" else says


def _draw_distances(far: dict[str, np.ndarray], near: dict[str, np.ndarray], lr: float) -> Figure:
    figure, axes = panels(1, len(near), width=3.4, height=2.9)
    for panel, name in zip(axes.flat, near, strict=True):
        for i, (label, places) in enumerate({"from the picture's dot": far[name], "from nearby": near[name]}.items()):
            panel.plot(np.linalg.norm(places, axis=1), label=label, **line(i))
        if name == "non-saturating":
            panel.axhline(cycle(lr), color="#888888", linewidth=1, label="predicted circle")
        panel.set(yscale="log", xlabel="step", ylabel="distance from (0, 0)", title=name)
        panel.legend(fontsize=7)
    return figure


def _draw(paths: dict[str, np.ndarray]) -> Figure:
    figure, axes = panels(2, 4, width=2.6, height=2.7)
    for i, (panel, (name, places)) in enumerate(zip(axes.flat, paths.items(), strict=True)):
        reach = max(1.2, 1.1 * float(np.abs(places).max()))
        panel.plot(*places.T, color=line(i % 7)["color"], linewidth=0.8)
        panel.plot(*places[0], "ko", markersize=4)
        panel.plot(0, 0, "k+", markersize=10)
        panel.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", title=name)
        panel.set(xlabel="generator, theta", ylabel="critic, psi")
    figure.suptitle(
        "from the dot, far from the equilibrium (the cross), whose eigenvalues say nothing of it", fontsize=10
    )
    return figure


def claims(numbers: Mapping[str, Any]) -> dict[str, bool]:
    """What these numbers show of the claims that the page is about, and what not."""
    games = numbers["games"]
    rates = {name: one["rate"] for name, one in games.items() if "rate" in one}
    steadied = [rate for name, rate in rates.items() if name.startswith(("R1", "instance noise"))]
    others = [rate for name, rate in rates.items() if not name.startswith(("R1", "instance noise"))]
    return {
        "R1 and instance noise make it converge; without them it does not": max(steadied) < 0.9999 < min(others) + 1e-4,
        "the rates are those of the eigenvalues, within 0.002": all(
            abs(one["rate"] - one["predicted"]) < 2e-3 for one in games.values() if "rate" in one
        ),
        "clipping and WGAN-GP do not": all(
            one["least_late_distance"] > 0.1 for name, one in games.items() if name.startswith("WGAN")
        ),
    }
