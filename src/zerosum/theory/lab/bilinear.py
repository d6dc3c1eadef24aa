"""The bilinear game: who spirals out, who circles, who comes to rest.

One player moves x to make xy small, the other moves y to make it large. The only equilibrium is (0, 0), and there the
Jacobian of the players' gradients has the eigenvalues i and -i: nothing pulls towards it, the field only turns.

Salimans et al. 2016 (arXiv:1606.03498) tell it as the game that gradient descent does not solve. Simultaneous steps
multiply the distance from the equilibrium by sqrt(1 + lr^2) each; alternating steps keep it bounded; extragradient,
optimistic and consensus steps shrink it. The lecture notes print the update as x := x + lr y, y := y + lr x, in which
neither player gets what it wants: that runs away along the diagonal, by 1 + lr a step.

Each dynamics is the engine's own, as in `zerosum train custom --dynamics`. Predicted: the largest eigenvalue of its
linear map. Measured: the slope of log distance over the steps.
"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from zerosum.core.dynamics import alternating, consensus, extragradient, optimistic, simultaneous
from zerosum.core.game import Game, Memory, Nets, Player, Terms, start
from zerosum.core.optim import sgd
from zerosum.theory import differentiable
from zerosum.theory.lab.base import Found, Lab
from zerosum.theory.lab.drawing import line, panels
from zerosum.theory.lab.training import Scalar, growth, path

QUICK = {"steps": 300}
BEGIN = {"x": 1.0, "y": 0.5}


def bilinear(lr: float, *, hopeful: bool = False) -> Game:
    """x minimises xy, y minimises -xy; ``hopeful`` players use the optimistic optimizer."""

    def x_loss(n: Nets, b: None, m: Memory) -> Terms:
        return {"xy": n.x() * n.y()}

    def y_loss(n: Nets, b: None, m: Memory) -> Terms:
        return {"xy": -n.x() * n.y()}

    optimizer = optimistic(sgd(lr)) if hopeful else sgd(lr)
    nets = {"x": Scalar(), "y": Scalar()}
    players = {"x": Player(("x",), x_loss), "y": Player(("y",), y_loss)}
    return Game(dict(nets), {"x": optimizer, "y": optimizer}, players)


def experiment(lab: Lab, *, lr: float = 0.1, steps: int = 1_000, strength: float = 1.0) -> Found:
    """Play all dynamics from the same place.

    Args:
        lab: its room.
        lr: the step size.
        steps: of each dynamics.
        strength: of consensus.
    """
    j, blocks = differentiable.jacobian(bilinear(lr), start(bilinear(lr)))
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
        paths[name] = path(bilinear(lr, hopeful=hopeful), BEGIN, steps, dynamics)
        numbers[name] = {"rate": growth(np.linalg.norm(paths[name], axis=1)), "predicted": differentiable.rate(step)}
    numbers["as printed"] = {"rate": _as_printed(lr, steps), "predicted": 1 + lr}
    says = tuple(
        f"{k}: distance times {n['rate']:.5f} a step, predicted {n['predicted']:.5f}" for k, n in numbers.items()
    )
    return Found({"lr": lr, "eigenvalues": [[0.0, 1.0], [0.0, -1.0]], "rates": numbers}, says, _draw(paths, lr))


def _as_printed(lr: float, steps: int) -> float:
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
