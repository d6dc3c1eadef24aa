"""The Dirac-GAN: the smallest GAN, and which regularisers make it converge.

Real data are the single point 0, the generator makes the single point theta, the critic is D(x) = psi x. Mescheder et
al. 2018 (arXiv:1801.04406) show on it that training a GAN need not converge even though a generator of zero loss is
within reach: at the equilibrium (0, 0) the field's eigenvalues are i/2 and -i/2 without a regulariser, so that the
players circle.

The R1 penalty gamma/2 psi^2 moves them to -gamma/2 +- sqrt(gamma^2/4 - 1/4), to the left of the imaginary axis (as
descent sees it: the Jacobian's have a positive real part), and so does noise on the critic's inputs. Clipping does
not, and neither does WGAN-GP, whose critic should have slope 1 where slope 0 would be right: with a small weight the
players circle for ever; with a weight of 1 or more they come to rest, but at theta = 2 weight, psi = 0, where the
penalty's pull on psi balances the game's.

Predicted: the rate of the largest eigenvalue of a step, from the Jacobian of the engine's own field. Measured: the
slope of log distance in training from nearby. Where there is no rate, the least distance in the last quarter.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from zerosum.constraints.clip import clip
from zerosum.core.dynamics import Dynamics, alternating, simultaneous
from zerosum.core.game import Game, Memory, Nets, Objective, Player, Terms, start
from zerosum.core.optim import sgd
from zerosum.objectives import minimax, non_saturating, wasserstein
from zerosum.penalties.gradient import r1, wgan_gp
from zerosum.theory import differentiable
from zerosum.theory.lab.base import Found, Lab
from zerosum.theory.lab.drawing import line, panels
from zerosum.theory.lab.training import Scalar, growth, path

QUICK = {"steps": 600}
FAR, NEAR = {"G": 0.6, "D": 0.4}, {"G": 0.03, "D": 0.02}  # theta and psi at first: for the picture, for the rate
QUANTILES = 64
REAL = torch.zeros(1, 1, dtype=torch.float64)
Penalty = Callable[[Nets, Tensor], Tensor]  # (nets, fake) -> scalar


class Linear(nn.Module):
    """D(x) = psi x on (N, 1); psi is 0 at first."""

    def __init__(self) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.zeros((), dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1) -> (N,)."""
        return self.value * x[:, 0]


def dirac(
    objective: Objective, lr: float, *, penalty: Penalty | None = None, c: float | None = None, noise: float = 0.0
) -> Game:
    """The game on real data {0}, its players at the equilibrium.

    Args:
        objective: of both players.
        lr: the step size.
        penalty: what the critic pays besides.
        c: where its weight is clipped; ``None``: not.
        noise: standard deviation on all that it sees; the expectation is computed, not sampled.
    """
    # Quantiles of N(0, 1) in the place of samples: the same expectation at every step.
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
    """What is compared."""

    def r1_penalty(n: Nets, fake: Tensor) -> Tensor:
        return gamma / 2 * r1(n.D.frozen, REAL)

    def slope_one(weight: float) -> Penalty:
        return lambda n, fake: weight * wgan_gp(n.D.frozen, REAL, fake, torch.full((1,), 0.5, dtype=torch.float64))

    return {
        "minimax": (dirac(minimax, lr), simultaneous),
        "non-saturating": (dirac(non_saturating, lr), simultaneous),
        "the same, alternating": (dirac(non_saturating, lr), alternating),
        f"R1, gamma {gamma:g}": (dirac(non_saturating, lr, penalty=r1_penalty), simultaneous),
        f"instance noise {noise:g}": (dirac(non_saturating, lr, noise=noise), simultaneous),
        "WGAN, clipped at 1": (dirac(wasserstein, lr, c=1.0), simultaneous),
        "WGAN-GP, weight 0.2": (dirac(wasserstein, lr, penalty=slope_one(0.2)), simultaneous),
        "WGAN-GP, weight 1": (dirac(wasserstein, lr, penalty=slope_one(1.0)), simultaneous),
    }


def at_equilibrium(game: Game, dynamics: Dynamics, lr: float) -> tuple[np.ndarray, float]:
    """Eigenvalues of the Jacobian at (0, 0), and the rate of a step there."""
    j, blocks = differentiable.jacobian(game, start(game))
    in_turn = dynamics is alternating
    step = differentiable.alternating(j, lr, blocks) if in_turn else differentiable.simultaneous(j, lr)
    return np.linalg.eigvals(j), differentiable.rate(step)


def experiment(lab: Lab, *, lr: float = 0.1, steps: int = 1_000, gamma: float = 0.3, noise: float = 1.0) -> Found:
    """Train from the same place with each regulariser.

    Args:
        lab: its room.
        lr: the step size of both players.
        steps: of both players.
        gamma: of R1.
        noise: standard deviation of the instance noise.
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
        values, predicted = at_equilibrium(game, dynamics, lr)
        rate = growth(np.linalg.norm(path(game, NEAR, steps // 2, dynamics), axis=1))
        numbers[name] = {"eigenvalues": [[v.real, v.imag] for v in values], "rate": rate, "predicted": predicted}
        says.append(f"{name}: distance times {rate:.5f} a step; the eigenvalues at (0, 0) predict {predicted:.5f}")
    return Found({"lr": lr, "gamma": gamma, "noise": noise, "games": numbers}, tuple(says), {"paths": _draw(paths)})


def _draw(paths: dict[str, np.ndarray]) -> Figure:
    figure, axes = panels(2, 4, width=2.6, height=2.7)
    for i, (panel, (name, places)) in enumerate(zip(axes.flat, paths.items(), strict=True)):
        reach = max(1.2, 1.1 * float(np.abs(places).max()))
        panel.plot(*places.T, color=line(i % 7)["color"], linewidth=0.8)
        panel.plot(*places[0], "ko", markersize=4)
        panel.plot(0, 0, "k+", markersize=10)
        panel.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", title=name)
        panel.set(xlabel="generator, theta", ylabel="critic, psi")
    figure.suptitle("from the dot; the equilibrium is the cross", fontsize=10)
    return figure
