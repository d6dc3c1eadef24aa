"""The bilinear game: who spirals out, who circles, who comes to rest.

One player moves x to make xy small, the other moves y to make it large. The only equilibrium is (0, 0), and there the
Jacobian of the players' gradients has the eigenvalues i and -i: nothing pulls towards it, the field only turns.

Salimans et al. 2016 (arXiv:1606.03498) present it as a game that gradient descent does not solve. Each simultaneous
step multiplies the distance from the equilibrium by sqrt(1 + lr^2); alternating steps keep it bounded; extragradient,
optimistic and consensus steps shrink it. The lecture notes print the update as x := x + lr y, y := y + lr x, in which
one player does the opposite of what it wants: that runs away along the diagonal, by a factor of 1 + lr a step.

Each dynamics is the engine's own, which the recipe `custom` can be trained with as well. Predicted: the largest
eigenvalue of its linear map. Measured: the slope of log distance over the steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from zerosum.core.dynamics import alternating, consensus, extragradient, optimistic, simultaneous
from zerosum.core.game import Game, start
from zerosum.core.optim import sgd
from zerosum.lab.base import Findings, Lab
from zerosum.lab.drawing import line, panels
from zerosum.lab.training import growth, path, zero_sum_game
from zerosum.theory import differentiable

FORMULAS = (  # mathtext, and what it is
    (r"\min_x \max_y\; x\,y, \qquad (x,y) \mapsto (x - \eta\,y,\; y + \eta\,x)", "the game, and a simultaneous step"),
    (r"\|w_{t+1}\| = \sqrt{1+\eta^2}\;\|w_t\|", "what that step does to the distance from the equilibrium"),
)
QUICK = {"steps": 300}
LEAST_VALUES = {"steps": 2}
BEGIN = {"x": 1.0, "y": 0.5}


def bilinear_game(lr: float, *, hopeful: bool = False) -> Game:
    """The game in which x minimises xy and y maximises it.

    Args:
        lr: Step size.
        hopeful: Whether the players use the optimistic optimizer.
    """
    return zero_sum_game(lambda x, y: x * y, optimistic(sgd(lr)) if hopeful else sgd(lr))


def experiment(lab: Lab, *, lr: float = 0.1, steps: int = 1_000, strength: float = 1.0) -> Findings:
    """Play all dynamics from the same place.

    Args:
        lab: Seed, folder and progress bars.
        lr: Step size.
        steps: Steps of each dynamics.
        strength: Strength of consensus.
    """
    j, blocks = differentiable.jacobian(bilinear_game(lr), start(bilinear_game(lr)))
    plays = {
        "simultaneous": (simultaneous, False, differentiable.simultaneous(j, lr)),
        "alternating": (alternating, False, differentiable.alternating(j, lr, blocks)),
        "extragradient": (extragradient, False, differentiable.extragradient(j, lr)),
        "optimistic": (simultaneous, True, differentiable.optimistic(j, lr)),
        "consensus": (consensus(strength), False, differentiable.consensus(j, lr, strength)),
    }
    paths = {}
    numbers: dict[str, dict[str, float]] = {}
    for name, (dynamics, hopeful, step) in lab.track(plays.items(), "bilinear game", len(plays)):
        paths[name] = path(bilinear_game(lr, hopeful=hopeful), BEGIN, steps, dynamics)
        numbers[name] = {"rate": growth(np.linalg.norm(paths[name], axis=1)), "predicted": differentiable.rate(step)}
    numbers["as printed"] = {"rate": _rate_as_printed(lr, steps), "predicted": 1 + lr}
    says = tuple(
        f"{k}: distance times {n['rate']:.5f} a step, predicted {n['predicted']:.5f}" for k, n in numbers.items()
    )
    return Findings({"lr": lr, "eigenvalues": [[0.0, 1.0], [0.0, -1.0]], "rates": numbers}, says, _draw(paths, lr))


def _rate_as_printed(lr: float, steps: int) -> float:
    places = [np.array(list(BEGIN.values()))]
    for _ in range(min(steps, 300)):  # beyond that it overflows
        places.append(places[-1] + lr * places[-1][::-1])
    return growth(np.linalg.norm(places, axis=1))


def _draw(paths: dict[str, np.ndarray], lr: float) -> dict[str, Figure]:
    figure, axes = panels(1, 2, width=4.2, height=3.8)
    for i, (name, places) in enumerate(paths.items()):
        axes[0, 0].plot(*places[:200].T, label=name, **line(i))
        axes[0, 1].plot(np.linalg.norm(places, axis=1), label=name, **line(i))
    axes[0, 0].plot(0, 0, "k+", markersize=10)
    axes[0, 0].set(xlim=(-3, 3), ylim=(-3, 3), aspect="equal", xlabel="x", ylabel="y", title="the first 200 steps")
    axes[0, 1].set(yscale="log", xlabel="step", ylabel="distance from (0, 0)", title=f"step size {lr:g}")
    axes[0, 1].legend(fontsize=8)
    return {"paths": figure}


def claims(numbers: Mapping[str, Any]) -> dict[str, bool]:
    """What these numbers show of the claims that the page is about, and what not."""
    return {
        "each dynamics moves away from the equilibrium, or towards it, at the predicted rate": all(
            abs(one["rate"] - one["predicted"]) < 1e-3 for one in numbers["rates"].values()
        )
    }
