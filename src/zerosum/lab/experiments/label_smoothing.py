"""Label smoothing: one-sided it only scales D, two-sided it takes away the slope that calls wrong samples back.

With targets 1 - a for real and b for generated samples the best D is ((1 - a) p + b q)/(p + q), that is
b + (1 - a - b) w with w = p/(p + q). Salimans et al. 2016 (arXiv:1606.03498), Section 3.4, smooth only real targets:
with b > 0 the numerator holds the model's own density, and where p is small and q large, wrong samples have no reason
to move.

This is sometimes described as a bump of D at the wrong samples. There is none: D* rises and falls exactly where w does,
for any targets, and has as many maxima. What changes is the slope. A non-saturating generator follows the slope of
log D at its samples. With b = 0 that is the slope of log w, the same for every a: one-sided smoothing takes nothing
from it. With b > 0 it is the slope of log w times (1 - a - b) w / (b + (1 - a - b) w), and this factor goes to 0 where
w does: there D is b, and flat.

Here D is trained by the engine with each pair of targets, on a model that has half of its samples in the right place
and half where there are no data. D is compared with D*, and so is the pull, d log D/dx, where the wrong samples are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from zerosum.lab.base import Findings, Lab
from zerosum.lab.drawing import line, panels
from zerosum.lab.experiments.optimal_discriminator import GRID, Mixture, train_discriminator
from zerosum.objectives.smoothed_loss import smoothed
from zerosum.theory.arrays import Array
from zerosum.theory.discriminator import optimal_discriminator
from zerosum.theory.divergences import discretise

FORMULAS = (  # mathtext, and what it is
    (r"D^* = \frac{(1-a)\,p + b\,q}{p + q} = b + (1 - a - b)\,w, \qquad w = \frac{p}{p+q}", "the best D"),
    (r"\frac{d}{dx}\log D^* = \frac{(1-a-b)\,w}{b + (1-a-b)\,w}\;\frac{d}{dx}\log w", "the pull on a sample at x"),
)
QUICK = {"steps": 500}
REAL = Mixture((-1.5,), (1.0,), (1.0,))
MODEL = Mixture((-1.5, 1.5), (1.0, 0.6), (0.5, 0.5))
WRONG = 1.5  # where half of the model's samples are


class SmoothingResult(NamedTuple):
    """D for one pair of targets.

    Attributes:
        a: Distance of the target of real samples below 1.
        b: Distance of the target of generated samples above 0.
        trained: The trained D on the grid.
        best: The optimal D on the grid.
    """

    a: float
    b: float
    trained: Array
    best: Array


def pull(d: Array) -> Array:
    """d log D/dx on the grid, by central differences: the way in which a non-saturating generator sends its samples."""
    return np.asarray(np.gradient(np.log(d), GRID))


def maxima(d: Array) -> int:
    """The number of local maxima of a curve inside the grid, without those that are due to rounding."""
    turns = np.sign(np.diff(d)[np.abs(np.diff(d)) > 1e-12])
    return int((np.diff(turns) < 0).sum())


def experiment(
    lab: Lab, *, a: float = 0.1, b: float = 0.1, steps: int = 3_000, batch_size: int = 512, lr: float = 3e-3
) -> Findings:
    """Train D without smoothing, with one-sided and with two-sided smoothing.

    Args:
        lab: Seed, folder and progress bars.
        a: Distance of the target of real samples below 1, with smoothing.
        b: Distance of the target of generated samples above 0, with two-sided smoothing.
        steps: Updates of each D.
        batch_size: Samples of either kind, fresh at every step.
        lr: Learning rate of Adam, constant for the first half and then falling to 0.
    """
    p, q = (discretise(one.density, GRID)[0] for one in (REAL, MODEL))
    wrong = (GRID > WRONG - 1) & (GRID < WRONG + 1)
    weights = (p + q) / 2
    results: dict[str, SmoothingResult] = {}
    numbers: dict[str, dict[str, float]] = {}
    for name, (over, under) in {"no smoothing": (0.0, 0.0), "one-sided": (a, 0.0), "two-sided": (a, b)}.items():
        objective = smoothed(over, under)
        play = train_discriminator(objective, REAL, MODEL, steps=steps, batch_size=batch_size, lr=lr, seed=lab.seed)
        for t, d in lab.track(play, name, steps + 1):
            if t == steps:
                results[name] = SmoothingResult(over, under, d(), optimal_discriminator(p, q, a=over, b=under))
        _, _, found, best = results[name]
        numbers[name] = {
            "a": over,
            "b": under,
            "mean_error": float(weights @ np.abs(found - best)),
            "maxima_of_best": maxima(best),
            "best_at_wrong": float(np.interp(WRONG, GRID, best)),
            "found_at_wrong": float(np.interp(WRONG, GRID, found)),
            "best_pull": float((q * pull(best))[wrong].sum() / q[wrong].sum()),
            "found_pull": float((q * pull(found))[wrong].sum() / q[wrong].sum()),
        }
    w = float(np.interp(WRONG, GRID, optimal_discriminator(p, q)))
    left = (1 - a - b) * w / (b + (1 - a - b) * w) if b else 1.0
    says = (*(_sentence(k, n) for k, n in numbers.items()), _sentence_on_factor(w, left, b))
    return Findings({"targets": numbers, "w_at_wrong": w, "pull_left": left}, says, _draw(results))


def _sentence(name: str, n: dict[str, float]) -> str:
    return (
        f"{name}: D at the wrong samples is {n['found_at_wrong']:.4f}, D* {n['best_at_wrong']:.4f}; mean d log D/dx "
        f"there {n['found_pull']:.3f}, of D* {n['best_pull']:.3f}; mean |D - D*| {n['mean_error']:.4f}"
    )


def _sentence_on_factor(w: float, left: float, b: float) -> str:
    return f"in the middle of the wrong samples p/(p + q) = {w:.2g}: b = {b:g} leaves {left:.2g} of the pull"


def _draw(results: dict[str, SmoothingResult]) -> dict[str, Figure]:
    figure, axes = panels(1, 3, width=3.7)
    seen = (GRID > -4.5) & (GRID < 4.5)
    x = GRID[seen]
    axes[0, 0].fill_between(x, REAL.density(x), color="#cccccc", label="data p")
    axes[0, 0].plot(x, MODEL.density(x), label="model q", **line(0))
    for i, (name, one) in enumerate(results.items()):
        style = line(i + 1)
        axes[0, 1].plot(x, one.best[seen], label=f"{name}: D*", color=style["color"], linewidth=0.8)
        axes[0, 1].plot(x, one.trained[seen], label="D trained", **style)
        axes[0, 2].plot(x, pull(one.best)[seen], label=name, **style)
    axes[0, 0].set(xlabel="x", ylabel="density per unit of x", title="half of the model is wrong")
    axes[0, 1].set(xlabel="x", ylabel="D", title="D rests on b where q alone is", ylim=(0, 0.95))
    axes[0, 2].set(xlabel="x", ylabel="d log D* / dx, per unit of x", title="pull on samples (below 0: left)")
    axes[0, 2].axvspan(WRONG - 1, WRONG + 1, color="#eeeeee", zorder=0, label="wrong samples")
    axes[0, 0].legend(fontsize=8, loc="upper right")
    axes[0, 1].legend(fontsize=7, loc="upper right")
    axes[0, 2].legend(fontsize=8, loc="lower left")
    return {"smoothing": figure}


def claims(numbers: Mapping[str, Any]) -> dict[str, bool]:
    """What these numbers show of the claims that the page is about, and what not."""
    none, one, two = (numbers["targets"][name] for name in ("no smoothing", "one-sided", "two-sided"))
    return {
        "one-sided smoothing leaves the pull on wrong samples as it is, within a tenth": (
            abs(one["found_pull"] - none["found_pull"]) < 0.1 * abs(none["found_pull"])
        ),
        "two-sided smoothing takes most of it away": abs(two["found_pull"]) < abs(one["found_pull"]) / 2,
        "D is near the best D (mean difference below 0.02)": max(
            none["mean_error"], one["mean_error"], two["mean_error"]
        )
        < 0.02,
    }
