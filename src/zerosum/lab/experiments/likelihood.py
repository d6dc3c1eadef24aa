"""Likelihood against samples: a model that has either without the other, in 1 to 1000 dimensions.

After Theis et al. 2016 (arXiv:1511.01844). The data are N(0, I). p_1 puts a narrow Gaussian at each training point:
its samples pass for data, and held-out points are all but impossible under it. p_2 is a hundredth of the true density
mixed with 99 hundredths of noise, N(0, 9 I): it loses at most log 100 = 4.6 nats, and nearly all its samples are noise.

The loss of 4.6 nats stays the same, while log p of a held-out point grows in proportion to the dimension: in 1000
dimensions the loss is a third of a percent of it.

A sample is near the data if its length is within the middle 99 % of lengths of data; in many dimensions all data lie
in a thin shell, which is easy to miss. The exact shares follow from the chi-squared distribution.

The third model is a Parzen window at the training points, with its bandwidth chosen on a validation set: what is often
reported as the likelihood of a model that can only be sampled. The samples here are the truth itself, and yet the score
falls ever further below the true value as the dimension grows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from zerosum.lab.base import Findings, Lab
from zerosum.lab.drawing import line, panels
from zerosum.theory.arrays import Array
from zerosum.theory.likelihood import (
    best_bandwidth,
    great_likelihood,
    great_samples,
    parzen,
    sample_great_likelihood,
    sample_great_samples,
)

FORMULAS = (  # mathtext, and what it is
    (r"p_1 = \frac{1}{n}\sum_i \mathcal{N}(x_i, \epsilon I)", "great samples, poor likelihood"),
    (
        r"p_2 = 0.01\,p + 0.99\,\mathcal{N}(0, 9 I), \qquad \log p_2 \geq \log p - \log 100",
        "great likelihood, poor samples",
    ),
)
QUICK = {"count": 300}
DIMENSIONS = (1, 3, 10, 30, 100, 300, 1000)
NOISE = 3.0  # standard deviation of the noise, against 1 of the data
INSIDE = 0.99  # share of data that counts as near the data
BANDWIDTHS = np.geomspace(0.05, 1.2, 13)


def log_gaussian(x: Array, std: float) -> Array:
    """log N(x | 0, std^2 I) at points, (N, d) -> (N,)."""
    return np.asarray(-(x**2).sum(1) / (2 * std**2) - x.shape[1] * math.log(std * math.sqrt(2 * math.pi)))


def shell(d: int) -> tuple[float, float]:
    """The squared lengths between which the middle 99 % of data lie."""
    from scipy.stats import chi2

    low, high = chi2(d).ppf([(1 - INSIDE) / 2, (1 + INSIDE) / 2])
    return float(low), float(high)


def share_near(x: Array) -> float:
    """The share of the points, (N, d), that lie in the shell of the data."""
    low, high = shell(x.shape[1])
    square = (x**2).sum(1)
    return float(((square >= low) & (square <= high)).mean())


def predicted_share_near(d: int, share: float) -> float:
    """The share of samples of p_2 that should lie in the shell, for data of ``d`` dimensions."""
    from scipy.stats import chi2

    low, high = shell(d)
    return float(share * INSIDE + (1 - share) * np.diff(chi2(d).cdf(np.array([low, high]) / NOISE**2))[0])


def measure(d: int, *, count: int, epsilon: float, share: float, rng: np.random.Generator) -> dict[str, float]:
    """Measure everything for one dimension; log likelihoods are means over held-out points, in nats.

    Args:
        d: Dimension of the data.
        count: Points for training, for validation, and held out.
        epsilon: Variance of p_1 around each training point.
        share: Share of p_2 that is the true density.
        rng: Source of everything random.
    """
    train, validation, test = (rng.normal(size=(count, d)) for _ in range(3))
    truth = log_gaussian(test, 1.0)
    copies = sample_great_samples(train, epsilon, 4 * count, rng)
    good, noise = rng.normal(size=(2, 4 * count, d))
    mixed = sample_great_likelihood(good, NOISE * noise, rng, share=share)
    second = great_likelihood(truth, log_gaussian(test, NOISE), share=share)
    bandwidth, _ = best_bandwidth(train, validation, BANDWIDTHS)
    return {
        "dimensions": d,
        "true": float(truth.mean()),
        "expected": -d / 2 * math.log(2 * math.pi * math.e),
        "great_samples": float(great_samples(test, train, epsilon).mean()),
        "great_samples_near": share_near(copies),
        "great_likelihood": float(second.mean()),
        "great_likelihood_loss": float((truth - second).mean()),
        "relative_loss": float((truth - second).mean() / abs(truth.mean())),
        "great_likelihood_near": share_near(mixed),
        "great_likelihood_near_predicted": predicted_share_near(d, share),
        "parzen": float(parzen(test, train, bandwidth).mean()),
        "bandwidth": bandwidth,
    }


def experiment(lab: Lab, *, count: int = 1_000, epsilon: float = 1e-3, share: float = 0.01) -> Findings:
    """Measure both models in every dimension.

    Args:
        lab: Seed, folder and progress bars.
        count: Points for training, with as many for validation and as many held out.
        epsilon: Variance of p_1 around each training point, where that of the data is 1.
        share: Share of p_2 that is the true density.
    """
    rng = np.random.default_rng(lab.seed)
    rows = [measure(d, count=count, epsilon=epsilon, share=share, rng=rng) for d in lab.track(DIMENSIONS, "dimensions")]
    worst = -math.log(share)
    return Findings({"bound": worst, "rows": rows}, tuple(_sentence(row) for row in rows), _draw(rows, worst))


def _sentence(row: dict[str, float]) -> str:
    return (
        f"{row['dimensions']:g} dimensions: log p = {row['true']:.1f} nats; p_1: {row['great_samples']:.4g} nats, "
        f"{row['great_samples_near']:.1%} of its samples near the data; p_2: {row['great_likelihood_loss']:.2f} nats "
        f"below log p ({row['relative_loss']:.1%}), {row['great_likelihood_near']:.1%} near; "
        f"Parzen window: {row['true'] - row['parzen']:.1f} nats below"
    )


def _draw(rows: list[dict[str, float]], bound: float) -> dict[str, Figure]:
    d = [row["dimensions"] for row in rows]
    true = np.array([row["true"] for row in rows])
    short = {
        "p_1, great samples": true - [row["great_samples"] for row in rows],
        "p_2, great likelihood": true - [row["great_likelihood"] for row in rows],
        "Parzen window, best bandwidth": true - [row["parzen"] for row in rows],
    }
    figure, axes = panels(1, 3, width=3.8)
    for i, (name, nats) in enumerate(short.items()):
        axes[0, 0].plot(d, nats, label=name, **line(i, marked=True))
    axes[0, 0].plot(d, -true, color="#888888", linewidth=1, label="size of log p itself")
    axes[0, 1].plot(d, [100 * row["relative_loss"] for row in rows], label="p_2", **line(1, marked=True))
    axes[0, 1].plot(d, 100 * bound / -true, color="#888888", linewidth=1, label=f"bound, {bound:.2g} nats")
    axes[0, 2].plot(d, [100 * row["great_samples_near"] for row in rows], label="p_1", **line(0, marked=True))
    axes[0, 2].plot(d, [100 * row["great_likelihood_near"] for row in rows], label="p_2", **line(1, marked=True))
    predicted = [100 * row["great_likelihood_near_predicted"] for row in rows]
    axes[0, 2].plot(d, predicted, color="#888888", linewidth=1, label="p_2, exact")
    axes[0, 0].set(yscale="log", ylabel="nats below log p, held out", title="likelihood: lower is better")
    axes[0, 1].set(yscale="log", ylabel="percent of the size of log p", title="what p_2 loses, relatively")
    axes[0, 2].set(ylim=(0, 109), ylabel="percent near the data", title="samples: higher is better")
    for one in axes.flat:
        one.set(xscale="log", xlabel="dimensions")
        one.legend(fontsize=8, loc="best")
    axes[0, 0].set_ylim(top=axes[0, 0].get_ylim()[1] * 30_000)
    axes[0, 0].legend(fontsize=8, loc="upper left")
    axes[0, 2].legend(fontsize=8, loc="center right")
    return {"models": figure}


def claims(numbers: Mapping[str, Any]) -> dict[str, bool]:
    """What these numbers show of the claims that the page is about, and what not."""
    last = numbers["rows"][-1]
    return {
        "great samples, poor likelihood: p_1, in the largest dimension": (
            last["great_samples_near"] > 0.9 and last["true"] - last["great_samples"] > 1_000
        ),
        "great likelihood, poor samples: p_2": (
            last["great_likelihood_near"] < 0.1 and last["great_likelihood_loss"] < numbers["bound"] + 1e-6
        ),
        "a Parzen window of true samples falls below the truth": last["true"] - last["parzen"] > 10,
    }
