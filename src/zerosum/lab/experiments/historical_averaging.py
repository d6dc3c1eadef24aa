"""Historical averaging: rest where plain descent orbits, and how slowly.

Salimans et al. 2016 (arXiv:1606.03498), Section 3.3, add |theta - (1/t) sum of past theta|^2 to each player's cost and
report that it finds equilibria of small games in which gradient descent goes into orbits. (The lecture notes leave out
the 1/t; with a bare sum the penalty would push the players away without bound.)

In the bilinear game xy, plain simultaneous descent spirals out, by a factor of sqrt(1 + lr^2) a step. With averaging of
strength s the players are pulled to the mean of where they have been, and that mean moves ever more slowly. Compared
with the fast motion it stands still: the players come to rest at 2s / (2s + i) of it, and it follows them. So the
distance falls as a power of time, t^(-1 / (1 + 4 s^2)), and not exponentially. Measured: the slope of log distance
against log t.

The second game is the paper's own example: f(x) = x below 0 and x^2 above, with the value (f(x) - 1)(y - 1). Its
equilibrium is (1, 1).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from zerosum.core.dynamics import simultaneous
from zerosum.core.game import Game
from zerosum.core.optim import sgd
from zerosum.lab.base import Findings, Lab
from zerosum.lab.drawing import line, panels
from zerosum.lab.training import path, zero_sum_game
from zerosum.penalties.matching import historical

FORMULAS = (  # mathtext, and what it is
    (r"\left\| \theta - \frac{1}{t}\sum_{i=1}^{t} \theta_i \right\|^2", "what is added to each player's cost"),
    (r"\mathrm{distance} \propto t^{-1/(1 + 4 s^2)}", "predicted for strength s"),
)
QUICK = {"steps": 1_500}
LEAST_VALUES = {"steps": 10}
OUT_OF_SIGHT = 1e3
Value = Callable[[Tensor, Tensor], Tensor]  # what x minimises and y maximises


def bilinear_value(x: Tensor, y: Tensor) -> Tensor:
    """xy."""
    return x * y


def paper_value(x: Tensor, y: Tensor) -> Tensor:
    """(f(x) - 1)(y - 1), with f(x) = x for x < 0 and x^2 for x >= 0."""
    return (torch.where(x < 0, x, x.square()) - 1) * (y - 1)


def game(value: Value, lr: float, strength: float) -> Game:
    """The game in which x minimises a value and y maximises it.

    Args:
        value: The value as a function of x and y.
        lr: Step size.
        strength: Strength of the averaging; 0 for none.
    """
    return zero_sum_game(value, historical(sgd(lr), strength) if strength else sgd(lr))


def exponent(distance: np.ndarray) -> float:
    """The slope of log distance against log t, by least squares over the last two thirds."""
    t = np.arange(1, len(distance))
    late = t >= len(t) // 3
    return float(np.polyfit(np.log(t[late]), np.log(distance[1:][late]), 1)[0])


def experiment(lab: Lab, *, lr: float = 0.1, steps: int = 6_000, strength: float = 0.5) -> Findings:
    """Play both games with and without averaging.

    Args:
        lab: Seed, folder and progress bars.
        lr: Step size.
        steps: Simultaneous steps with averaging; without it a tenth of them, which is enough to run away.
        strength: Strength s of the averaging.
    """
    both = {"xy": (bilinear_value, (1.0, 0.5), (0.0, 0.0)), "the paper's game": (paper_value, (1.3, 0.8), (1.0, 1.0))}
    distances: dict[str, dict[str, np.ndarray]] = {}
    for name, (value, place, rest) in lab.track(both.items(), "historical averaging", len(both)):
        begin = dict(zip("xy", place, strict=True))
        ways = {
            "plain descent": path(game(value, lr, 0.0), begin, steps // 10, simultaneous, reach=OUT_OF_SIGHT),
            "historical averaging": path(game(value, lr, strength), begin, steps, simultaneous),
        }
        distances[name] = {way: np.linalg.norm(places - np.array(rest), axis=1) for way, places in ways.items()}
    slope, predicted = exponent(distances["xy"]["historical averaging"]), -1 / (1 + 4 * strength**2)
    ends = {name: {way: float(d[-1] / d[0]) for way, d in ways.items()} for name, ways in distances.items()}
    says = (
        f"xy: the distance falls as t^{slope:.3f}; predicted t^{predicted:.3f}",
        *(
            f"{name}: distance at the end over that at the start: {one['plain descent']:.3g} without averaging after "
            f"{len(distances[name]['plain descent']) - 1:,} steps, {one['historical averaging']:.3g} with it after "
            f"{steps:,}"
            for name, one in ends.items()
        ),
    )
    numbers = {"exponent": slope, "predicted": predicted, "end_over_start": ends}
    return Findings(numbers, says, {"distance": _draw(distances, predicted)})


def _draw(distances: dict[str, dict[str, np.ndarray]], predicted: float) -> Figure:
    figure, axes = panels(1, 2, width=4.0, height=3.4)
    for panel, (name, ways) in zip(axes[0], distances.items(), strict=True):
        for i, (way, distance) in enumerate(ways.items()):
            panel.plot(np.arange(1, len(distance)), distance[1:], label=way, **line(i))
        panel.set(xscale="log", yscale="log", xlabel="step t", ylabel="distance from the equilibrium", title=name)
    averaged = distances["xy"]["historical averaging"]
    t = np.array([len(averaged) // 20, len(averaged) - 1])
    axes[0, 0].plot(t, 1.6 * averaged[t[0]] * (t / t[0]) ** predicted, label=f"slope {predicted:.2f}", **line(2))
    axes[0, 0].legend(fontsize=8)
    return figure


def claims(numbers: Mapping[str, Any]) -> dict[str, bool]:
    """What these numbers show of the claims that the page is about, and what not."""
    ends = numbers["end_over_start"].values()
    return {
        "plain descent moves away": all(one["plain descent"] > 1 for one in ends),
        "with historical averaging the players come to rest": all(one["historical averaging"] < 0.2 for one in ends),
        "the distance falls as the predicted power of time": abs(numbers["exponent"] - numbers["predicted"]) < 0.05,
    }
