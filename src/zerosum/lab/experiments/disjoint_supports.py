"""Disjoint supports: two parallel lines, and what each distance has to say of how far apart they are.

P is (0, y) and Q is (theta, y), with y uniform on [0, 1] (Arjovsky et al. 2017, arXiv:1701.07875, Example 1). If theta
is not 0 the supports are disjoint: KL is infinite both ways, JS is log 2 whatever theta is (the lecture notes print
+2), and a generator that descends either learns nothing. W1 is |theta|.

Exact: both lines are taken as 20 equal masses each; KL and JS follow from the masses, W1 from a linear program.
Estimated: critics are trained for each theta by the engine, and none is told the answer. With D the critic of the
minimax game, JS >= (V(G, D) + log 4) / 2. For WGAN-GP, the best critic is s x with slope s = 1 + theta / (2 lambda), as
s theta - lambda (s - 1)^2 is greatest there: it overestimates W1 by the factor s.

Instance noise (Arjovsky and Bottou 2017, arXiv:1701.04862; Sonderby et al. 2017, arXiv:1610.04490) adds N(0, sigma^2)
to what the critic sees. The supports are no longer disjoint: KL is theta^2 / (2 sigma^2), and JS grows smoothly from 0,
at first as theta^2 / (8 sigma^2), and is flat again only many sigma away.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from zerosum.core.game import Loss, Memory, Nets, Terms
from zerosum.core.optim import adam, linear_decay
from zerosum.core.random import generator
from zerosum.lab.base import Findings, Lab
from zerosum.lab.drawing import line, panels
from zerosum.lab.training import seed_weights, train_critic
from zerosum.networks.mlp import Critic
from zerosum.objectives import minimax, wasserstein
from zerosum.penalties.gradient import wgan_gp
from zerosum.systems import Batch, batch
from zerosum.theory.arrays import Array
from zerosum.theory.divergences import jensen_shannon, kl
from zerosum.theory.transport import euclidean, optimal_plan

FORMULAS = (  # mathtext, and what it is
    (r"\mathrm{JS}(P, Q) = \log 2, \qquad W_1(P, Q) = |\theta|, \qquad \theta \neq 0", "the distances"),
    (
        r"s\,\theta - \lambda\,(s - 1)^2, \qquad s = 1 + \frac{\theta}{2\lambda}",
        "what a WGAN-GP critic of slope s attains, and the best slope",
    ),
    (r"\mathrm{KL} = \frac{\theta^2}{2\sigma^2}", "with noise of deviation sigma on both"),
)
QUICK = {"steps": 200, "sides": 2}
LOG2 = float(np.log(2))
BATCH, JUDGED_ON = 128, 8192
MASSES = 20  # points of each line, where it is taken as such
PENALTY = 10.0
NOISES = (0.05, 0.1, 0.2, 0.4)


def samples(theta: float, sigma: float, size: int, seed: int, *labels: int | str) -> Batch:
    """A batch of points ``real`` and ``fake`` of the two lines, and eps ~ U[0, 1).

    Args:
        theta: Distance between the lines.
        sigma: Standard deviation of the noise, in both coordinates.
        size: Number of points of each line.
        seed: Seed of the points.
        labels: What tells this batch from others with the same seed.
    """
    rng = generator(seed, "disjoint", *labels)

    def points(x: float) -> Tensor:
        y = torch.rand(size, generator=rng)
        return torch.stack([torch.full_like(y, x), y], 1) + sigma * torch.randn(size, 2, generator=rng)

    drawn: Batch = batch(real=points(0.0), fake=points(theta), eps=torch.rand(size, generator=rng))
    return drawn


def js_loss(n: Nets, b: Batch, m: Memory) -> Terms:
    """The critic's loss in the minimax game."""
    return {"d": minimax.d(n.D(b.real), n.D(b.fake))}


def w_loss(n: Nets, b: Batch, m: Memory) -> Terms:
    """The critic's loss in WGAN-GP."""
    penalty = wgan_gp(n.D, b.real, b.fake, b.eps)
    return {"d": wasserstein.d(n.D(b.real), n.D(b.fake)), "gp": PENALTY * penalty}


def js_estimate(real: Tensor, fake: Tensor) -> float:
    """(V + log 4) / 2, at most JS except by the luck of the sample."""
    return LOG2 - float(minimax.d(real, fake)) / 2


def w_estimate(real: Tensor, fake: Tensor) -> float:
    """E D(x) - E D(y), for x real and y generated."""
    return -float(wasserstein.d(real, fake))


def estimate(
    loss: Loss,
    read: Callable[[Tensor, Tensor], float],
    theta: float,
    sigma: float,
    steps: int,
    seed: int,
) -> float:
    """Train a critic between two lines and read a distance off it, on samples that it has not seen.

    Args:
        loss: Loss that the critic descends.
        read: (real logits, fake logits) -> the distance.
        theta: Distance between the lines.
        sigma: Standard deviation of the noise.
        steps: Updates of the critic.
        seed: Seed of weights and samples.
    """
    with seed_weights(seed):
        net = Critic(hidden=(64, 64))
    optimizer = adam(linear_decay(5e-3, steps // 2, steps), beta1=0.5, beta2=0.9)
    batches = (samples(theta, sigma, BATCH, seed, k) for k in count())
    n = train_critic(net, loss, optimizer, batches, steps, lab=Lab(), label="")
    b = samples(theta, sigma, JUDGED_ON, seed, "judge")
    with torch.no_grad():
        return read(n.D(b.real), n.D(b.fake))


def exact_distances(theta: float) -> dict[str, float]:
    """KL, JS and W1 between the lines, each taken as equal masses."""
    y = (np.arange(MASSES) + 0.5) / MASSES
    p_points, q_points = (np.stack([np.full(MASSES, x), y], 1) for x in (0.0, theta))
    places, where = np.unique(np.concatenate([p_points, q_points]), axis=0, return_inverse=True)
    p = np.bincount(where.ravel()[:MASSES], minlength=len(places)) / MASSES
    q = np.bincount(where.ravel()[MASSES:], minlength=len(places)) / MASSES
    even = np.full(MASSES, 1 / MASSES)
    w = optimal_plan(euclidean(p_points, q_points), even, even).value
    return {"theta": theta, "kl": kl(p, q), "js": jensen_shannon(p, q), "w": w}


def noisy_js(theta: float, sigma: float) -> float:
    """JS of N(0, sigma^2) and N(theta, sigma^2), which is that of the noised lines, since along them nothing differs.

    Args:
        theta: Distance between the lines.
        sigma: Standard deviation of the noise, above 0.
    """
    a = theta / sigma
    x, step = np.linspace(-12, 12 + abs(a), 40_001, retstep=True)
    x = x if a >= 0 else -x
    p = np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
    # log of (p + q) / (2 p) is a softplus of the log ratio, which never overflows.
    log_ratio = a * x - a**2 / 2
    toward = LOG2 - np.logaddexp(0, log_ratio)
    # JS is symmetric here: KL(P, M) = KL(Q, M).
    return float((p * toward).sum() * step)


def experiment(lab: Lab, *, steps: int = 600, sides: int = 4, sigma: float = 0.2) -> Findings:
    """Compare distances between two lines, computed and estimated.

    Args:
        lab: Seed, folder and progress bars.
        steps: Updates of each critic.
        sides: Number of values of theta on each side of 0, up to 1.
        sigma: Standard deviation of the noise with which critics are trained.
    """
    thetas = np.linspace(-1, 1, 2 * sides + 1)
    rows = []
    for theta in lab.track(thetas.tolist(), "critics"):
        found = exact_distances(theta)
        found["js critic"] = estimate(js_loss, js_estimate, theta, 0.0, steps, lab.seed)
        found["w critic"] = estimate(w_loss, w_estimate, theta, 0.0, steps, lab.seed)
        found["w predicted"] = abs(theta) * (1 + abs(theta) / (2 * PENALTY))
        found["noisy js"] = noisy_js(theta, sigma)
        found["noisy js critic"] = estimate(js_loss, js_estimate, theta, sigma, steps, lab.seed)
        rows.append(found)
    fine = np.linspace(-1, 1, 101)
    curves = {f"{s:g}": [noisy_js(t, s) for t in fine] for s in NOISES}
    says = _sentences(rows, sides, sigma)
    numbers = {"lines": [{k: v if np.isfinite(v) else "inf" for k, v in row.items()} for row in rows], "sigma": sigma}
    return Findings(
        numbers | {"noise": curves}, says, {"distances": _draw(rows), "noise": _draw_noise(fine, curves, rows, sigma)}
    )


def _sentences(rows: list[dict[str, float]], sides: int, sigma: float) -> tuple[str, ...]:
    apart = [row for row in rows if row["theta"] != 0]
    js, w = ([row[k] for row in apart] for k in ("js critic", "w critic"))
    worst = max(abs(row["noisy js"] - row["noisy js critic"]) for row in rows)
    off = max(abs(row["w critic"] / row["w predicted"] - 1) for row in apart)
    return (
        f"theta != 0: KL infinite, JS {apart[0]['js']:.4f} = log 2 (not 2); trained critics say {min(js):.3f} to "
        f"{max(js):.3f}",
        f"W1 = |theta|, {1 / sides:g} to 1; trained critics say {min(w):.3f} to {max(w):.3f}, within {off:.1%} of "
        "theta (1 + theta / (2 lambda))",
        f"noise of {sigma:g}: JS is {noisy_js(1 / sides, sigma):.3f} at theta = {1 / sides:g} and "
        f"{noisy_js(1, sigma):.3f} at 1; trained critics within {worst:.3f}",
    )


def _draw(rows: list[dict[str, float]]) -> Figure:
    figure, axes = panels(1, 3)
    theta = [row["theta"] for row in rows]
    dots = {"linestyle": "none", "marker": "s", "color": "#0072B2", "markersize": 5}
    for one, key, title in zip(axes[0], ("kl", "js", "w"), ("KL (nats)", "JS (nats)", "W1"), strict=True):
        one.set(xlabel="theta", ylabel=title, xlim=(-1.1, 1.1))
        if key == "kl":
            one.set(ylim=(0, 1), yticks=[0])
            for side in (-1, 1):
                one.annotate("", (0.55 * side, 0.98), (0.55 * side, 0.6), arrowprops={"arrowstyle": "-|>"})
                one.text(0.55 * side, 0.5, "infinite", ha="center", fontsize=9)
            one.plot(0, 0, "ko", markersize=5, clip_on=False)
            one.set_title("KL, both ways")
            continue
        if key == "js":
            one.plot([-1, 0, np.nan, 0, 1], [LOG2, LOG2, np.nan, LOG2, LOG2], label="exact", **line(0))
            one.plot(0, LOG2, "o", markerfacecolor="white", color="black", markersize=5)
            one.plot(0, 0, "ko", markersize=5)
            one.set(ylim=(-0.03, 1.0), title="Jensen-Shannon")
        else:
            one.plot(theta, [row["w"] for row in rows], label="exact", **line(0))
            one.plot(theta, [row["w predicted"] for row in rows], label="predicted of WGAN-GP", **line(2))
            one.set(ylim=(-0.05, 1.5), title="Wasserstein-1")
        one.plot(theta, [row[f"{key} critic"] for row in rows], label="trained critic", **dots)
        one.legend(fontsize=8, loc="upper center")
    return figure


def _draw_noise(fine: Array, curves: dict[str, Any], rows: list[dict[str, float]], sigma: float) -> Figure:
    figure, axes = panels(1, 2, width=4.2)
    for i, (name, values) in enumerate(curves.items()):
        axes[0, 0].plot(fine, values, label=f"sigma = {name}", **line(i + 1))
        axes[0, 1].plot(fine, np.gradient(values, fine), label=f"sigma = {name}", **line(i + 1))
    axes[0, 0].axhline(LOG2, **line(0))
    axes[0, 0].text(0, LOG2 + 0.02, "log 2: without noise", ha="center", fontsize=8)
    theta = [row["theta"] for row in rows]
    dots = {"linestyle": "none", "marker": "s", "color": "black", "markersize": 5}
    axes[0, 0].plot(theta, [row["noisy js critic"] for row in rows], label=f"trained critic, {sigma:g}", **dots)
    axes[0, 0].set(xlabel="theta", ylabel="JS of the noised lines (nats)", title="instance noise", ylim=(-0.05, 1.15))
    axes[0, 0].legend(fontsize=8, ncols=2, loc="upper center")
    axes[0, 1].set(xlabel="theta", ylabel="d JS / d theta", title="what a generator can descend")
    axes[0, 1].legend(fontsize=8)
    return figure


def claims(numbers: Mapping[str, Any]) -> dict[str, bool]:
    """What these numbers show of the claims that the page is about, and what not."""
    apart = [one for one in numbers["lines"] if one["theta"]]
    return {
        "the Jensen-Shannon divergence of lines apart is log 2 at any distance": all(
            abs(one["js"] - math.log(2)) < 1e-6 for one in apart
        ),
        "W1 is the distance": all(abs(one["w"] - abs(one["theta"])) < 1e-6 for one in apart),
        "trained critics find both": all(
            abs(one["js critic"] - math.log(2)) < 0.05
            and abs(one["w critic"] - one["w predicted"]) < 0.05 * one["w predicted"]
            for one in apart
        ),
    }
