"""Divergences: what KL, reverse KL and Jensen-Shannon charge for, and which fit of one Gaussian to two they prefer.

The integrand of a divergence shows where it is paid. KL(p||q) is paid where p has mass and q has little: it punishes
modes that are left out. KL(q||p) is paid where q has mass and p has little: it punishes samples that are not real.
Jensen-Shannon is paid in both places, and never more than log 2 in all.

So one Gaussian that is fitted to a mixture of two ends up in a different place under each. Under KL it takes exactly
the mean and the variance of the whole mixture, and puts much of its mass in the gap (mode covering). Under reverse KL
it takes one mode and leaves the other out (mode seeking), once the modes are about five standard deviations apart.
Jensen-Shannon covers both for longer, and then jumps to the larger mode as well; KL never does. With modes far apart
the price of leaving out all but a share s of the data is -log s under reverse KL, however far away the rest is.

Everything is computed on a grid, by `zerosum.theory.divergences`; the minima are found by direct search from several
starts. Theis et al. 2016 (arXiv:1511.01844) fit an isotropic Gaussian to a mixture in this way, in the plane.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from zerosum.lab.base import Findings, Lab
from zerosum.lab.drawing import line, panels
from zerosum.objectives.f_divergence import DIVERGENCES
from zerosum.theory import gaussians
from zerosum.theory.arrays import Array
from zerosum.theory.divergences import discretise_log, f_divergence, jensen_shannon, kl

FORMULAS = (  # mathtext, and what it is
    (r"\mathrm{KL}(p\,\|\,q) = \int p\,\log\frac{p}{q}", "mode covering"),
    (r"\mathrm{KL}(q\,\|\,p) = \int q\,\log\frac{q}{p}", "mode seeking"),
    (
        r"\mathrm{JSD}(p\,\|\,q) = \frac{1}{2}\mathrm{KL}(p\,\|\,m) + \frac{1}{2}\mathrm{KL}(q\,\|\,m), "
        r"\qquad m = \frac{p+q}{2}",
        "paid in both places",
    ),
)
QUICK = {"cells": 801, "separations": 7}
LEAST_VALUES = {"cells": 3}

# Two Gaussians for the integrands, (mean, standard deviation).
P, Q = (0.0, 1.0), (2.0, 0.7)
MEASURES: dict[str, Callable[[Array, Array], float]] = {
    "KL(p||q)": kl,
    "KL(q||p)": lambda p, q: f_divergence(DIVERGENCES["reverse-kl"], p, q),
    "JSD": jensen_shannon,
}


def gaussian(x: Array, mean: float, std: float) -> Array:
    """Masses of N(mean, std^2) on a grid."""
    return discretise_log(lambda points: -(((points - mean) / std) ** 2) / 2, x)[0]


def two_modes(x: Array, apart: float, share: float, std: float) -> Array:
    """Masses of a mixture of two Gaussians at -apart/2 and apart/2, where the first has weight ``share``."""
    return share * gaussian(x, -apart / 2, std) + (1 - share) * gaussian(x, apart / 2, std)


def integrands(p: Array, q: Array) -> dict[str, Array]:
    """What each outcome contributes to each divergence, in nats; the divergence is the sum."""
    m = (p + q) / 2
    return {
        "KL(p||q)": p * np.log(p / q),
        "KL(q||p)": q * np.log(q / p),
        "JSD": (p * np.log(p / m) + q * np.log(q / m)) / 2,
    }


def fit(measure: Callable[[Array, Array], float], p: Array, x: Array, starts: list[tuple[float, float]]) -> Array:
    """Fit a Gaussian at the least divergence from p; its mean, its standard deviation, and the divergence.

    Args:
        measure: The divergence, (p, q) -> nats.
        p: Masses to be fitted.
        x: Grid on which they lie.
        starts: Means and standard deviations from which to search.
    """
    from scipy.optimize import minimize

    def cost(at: Array) -> float:  # finite where the divergence is not, since the search takes differences
        return min(measure(p, gaussian(x, at[0], math.exp(at[1]))), 1e9)

    options = {"xatol": 1e-6, "fatol": 1e-11}
    tried = [minimize(cost, (m, math.log(s)), method="Nelder-Mead", options=options) for m, s in starts]
    best = min(tried, key=lambda found: float(found.fun))
    return np.array([best.x[0], math.exp(best.x[1]), best.fun])


def experiment(
    lab: Lab, *, apart: float = 6.0, share: float = 0.6, std: float = 0.6, cells: int = 2_001, separations: int = 13
) -> Findings:
    """Draw the integrands, and fit one Gaussian to two.

    Args:
        lab: Progress bars; nothing here is random.
        apart: Distance between the two modes of the mixture.
        share: Share of the mass in the left mode.
        std: Standard deviation of each mode.
        cells: Number of points of the grid.
        separations: Number of distances between the modes to try, from 0 to ``apart``.
    """
    paid = _integrands()
    fits: dict[str, list[Array]] = {name: [] for name in MEASURES}
    distances = np.linspace(0, apart, separations)
    for distance in lab.track(distances, "fits", separations):
        # As wide as the widest fit needs, and no wider: where p underflows to 0, reverse KL would be infinite.
        x = np.linspace(-8, 8, cells) * math.hypot(distance / 2, std)
        p = two_modes(x, distance, share, std)
        middle, spread = float(p @ x), math.sqrt(float(p @ x**2 - (p @ x) ** 2))
        starts = [(middle, spread), (-distance / 2, std), (distance / 2, std)]
        for name, measure in MEASURES.items():
            fits[name].append(fit(measure, p, x, starts))
    mean = (1 - 2 * share) * apart / 2
    moments = {"mean": mean, "std": math.sqrt(std**2 + apart**2 / 4 - mean**2)}
    last = {name: dict(zip(("mean", "std", "nats"), map(float, all_[-1]), strict=True)) for name, all_ in fits.items()}
    numbers = {
        "integrals": paid,
        "modes": {"left": -apart / 2, "right": apart / 2, "std": std, "share": share},
        "moments": moments,
        "fits": last,
        "price of one mode": {"KL(q||p)": -math.log(share), "JSD": _price_of_one_mode(share)},
        "by distance": {"distance": distances, **{name: np.array(all_) for name, all_ in fits.items()}},
    }
    figures = {"integrands": _draw_integrands(), "fits": _draw_fits(fits, distances, (apart, share, std))}
    return Findings(numbers, _sentences(paid, last, moments), figures)


def _price_of_one_mode(s: float) -> float:
    """JSD in nats between a mixture of parts that do not overlap and its part of share s, taken as the whole."""
    return (s * math.log(2 * s / (1 + s)) + (1 - s) * math.log(2) + math.log(2 / (1 + s))) / 2


def _integrands() -> dict[str, dict[str, float]]:
    x = np.linspace(-10, 10, 4001)
    p, q = gaussian(x, *P), gaussian(x, *Q)
    a, b = (gaussians.Gaussian(mean, std**2) for mean, std in (P, Q))
    closed = {"KL(p||q)": gaussians.kl(a, b), "KL(q||p)": gaussians.kl(b, a)}
    sums = {name: float(terms.sum()) for name, terms in integrands(p, q).items()}
    return {name: {"sum": total, "closed": closed.get(name, MEASURES[name](p, q))} for name, total in sums.items()}


def _sentences(
    paid: dict[str, dict[str, float]], fits: dict[str, dict[str, float]], moments: dict[str, float]
) -> tuple[str, ...]:
    first = "; ".join(f"{name} = {one['sum']:.4f} nats" for name, one in paid.items())
    rest = (f"{k}: best Gaussian has mean {f['mean']:.3f}, std {f['std']:.3f}" for k, f in fits.items())
    return (
        f"N({P[0]:g}, {P[1]:g}^2) against N({Q[0]:g}, {Q[1]:g}^2): {first}",
        *rest,
        f"the mixture itself has mean {moments['mean']:.3f}, std {moments['std']:.3f}: the KL fit",
    )


def _draw_integrands() -> Figure:
    x = np.linspace(-4, 5, 901)
    step = x[1] - x[0]
    p, q = gaussian(x, *P), gaussian(x, *Q)
    figure, axes = panels(1, 2, width=4.2)
    for i, (name, masses) in enumerate({"p": p, "q": q}.items()):
        axes[0, 0].plot(x, masses / step, label=name, **line(i))
    for i, (name, terms) in enumerate(integrands(p, q).items()):
        axes[0, 1].plot(x, terms / step, label=name, **line(i))
    axes[0, 1].axhline(0, color="#bbbbbb", linewidth=0.8, zorder=0)
    axes[0, 0].set(xlabel="x", ylabel="density per unit of x", title="the two Gaussians")
    axes[0, 1].set(xlabel="x", ylabel="nats per unit of x", title="what each divergence is paid for")
    for one in axes.flat:
        one.legend(fontsize=8, loc="upper left")
    return figure


def _draw_fits(fits: dict[str, list[Array]], distances: Array, mixture: tuple[float, float, float]) -> Figure:
    apart, share, std = mixture
    x = np.linspace(-apart / 2 - 5 * std, apart / 2 + 5 * std, 801)
    step = x[1] - x[0]
    figure, axes = panels(1, 3, width=3.7)
    axes[0, 0].fill_between(x, two_modes(x, apart, share, std) / step, color="#dddddd", label="data p")
    for i, (name, all_) in enumerate(fits.items()):
        mean, spread = all_[-1][:2]
        axes[0, 0].plot(x, gaussian(x, mean, spread) / step, label=f"least {name}", **line(i))
        for axis, column in ((axes[0, 1], 0), (axes[0, 2], 1)):
            axis.plot(distances, [one[column] for one in all_], **line(i, marked=True))
    for sign in (-1, 1):
        axes[0, 1].plot(distances, sign * distances / 2, color="#bbbbbb", linewidth=0.8, zorder=0)
    axes[0, 0].set(xlabel="x", ylabel="density per unit of x", title="one Gaussian fitted to two")
    axes[0, 0].legend(fontsize=8, loc="upper right")
    axes[0, 1].set(xlabel="distance between the modes", ylabel="mean of the fit", title="grey: the two modes")
    axes[0, 2].set(xlabel="distance between the modes", ylabel="standard deviation of the fit", title="and its width")
    axes[0, 2].set_ylim(bottom=0)
    return figure


def claims(numbers: Mapping[str, Any]) -> dict[str, bool]:
    """What these numbers show of the claims that the page is about, and what not."""
    fits, modes, moments = numbers["fits"], numbers["modes"], numbers["moments"]
    covering, seeking = fits["KL(p||q)"], fits["KL(q||p)"]
    nearest = min(abs(seeking["mean"] - modes[side]) for side in ("left", "right"))
    return {
        "KL covers: its fit has the mean and the deviation of the whole mixture": (
            max(abs(covering[key] - moments[key]) for key in ("mean", "std")) < 0.05
        ),
        "reverse KL seeks: its fit is one of the modes": max(nearest, abs(seeking["std"] - modes["std"])) < 0.05,
    }
