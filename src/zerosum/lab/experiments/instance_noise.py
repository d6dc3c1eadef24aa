"""Instance noise: a gradient where there was none.

Real and generated data that do not overlap can be told apart with certainty, and then the generator's gradient under
the minimax objective vanishes: it is that of 2 JSD - log 4, and JSD is flat at log 2. Arjovsky and Bottou 2017
(arXiv:1701.04862), Section 3, add noise to both: then their densities overlap, JSD depends on the distance smoothly,
and the gradient points the right way. Too much noise flattens it again, which is why the noise is annealed.

Here both are thin Gaussians on a line, theta apart. Computed: the slope of 2 JSD in theta on a grid, for several
standard deviations of the noise. Measured: the generator's gradient through a critic trained on noised samples by the
engine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure

from zerosum.core.game import Memory, Nets, Terms
from zerosum.core.optim import adam, linear_decay
from zerosum.core.random import generator
from zerosum.data.augment.noise import instance_noise
from zerosum.lab.base import Findings, Lab
from zerosum.lab.drawing import line, panels
from zerosum.lab.training import seed_weights, train_critic
from zerosum.networks.mlp import Critic
from zerosum.objectives import minimax
from zerosum.systems import Batch, batch
from zerosum.theory.arrays import Array
from zerosum.theory.divergences import discretise_log, jensen_shannon

FORMULAS = (  # mathtext, and what it is
    (
        r"\frac{d}{d\theta}\,2\,\mathrm{JSD}\left(p * \mathcal{N}(0,\sigma^2)"
        r"\,\|\,q_\theta * \mathcal{N}(0,\sigma^2)\right)",
        "the generator's gradient at the best critic",
    ),
)
QUICK = {"steps": 400}
NOISES = (0.0, 0.25, 0.5, 1.0, 2.0)
GRID = np.linspace(-16, 20, 7201)


def divergence(theta: float, width: float, noise: float) -> float:
    """JSD of N(0, width^2 + noise^2) and N(theta, width^2 + noise^2), nats."""
    variance = width**2 + noise**2

    def around(mean: float) -> Array:
        return discretise_log(lambda x: -((x - mean) ** 2) / (2 * variance), GRID)[0]

    return jensen_shannon(around(0.0), around(theta))


def slope(theta: float, width: float, noise: float, step: float = 0.01) -> float:
    """d(2 JSD)/d theta, by a central difference."""
    ahead, behind = (divergence(theta + h, width, noise) for h in (step, -step))
    return (ahead - behind) / step


def batches(theta: float, width: float, size: int, seed: int) -> Iterator[Batch]:
    """Endless batches of real samples x, generated ones ``fake``, and standard normal noise for each."""
    rng = generator(seed, "instance-noise")
    while True:
        z, w, m, n = torch.randn(4, size, 1, generator=rng)
        yield batch(x=width * z, fake=theta + width * w, real_noise=m, fake_noise=n)


def measure_slope(theta: float, width: float, noise: float, steps: int, seed: int) -> float:
    """Train a critic on noised samples, and measure the generator's gradient in theta through it.

    Args:
        theta: Distance between the two.
        width: Their standard deviation without noise.
        noise: Standard deviation of the noise.
        steps: Updates of the critic.
        seed: Seed of everything random.
    """

    def d_loss(n: Nets, b: Batch, m: Memory) -> Terms:
        real, fake = instance_noise(b.x, b.real_noise, noise), instance_noise(b.fake, b.fake_noise, noise)
        return {"adv": minimax.d(n.D(real), n.D(fake))}

    with seed_weights(seed):
        net = Critic((1,), (64, 64), activation=F.silu)
    optimizer = adam(linear_decay(5e-3, 0, steps))
    n = train_critic(net, d_loss, optimizer, batches(theta, width, 512, seed), steps, lab=Lab(), label="")
    return _gradient(n, next(batches(theta, width, 20_000, seed + 1)), noise)


def _gradient(n: Nets, batch: Batch, noise: float) -> float:
    shift = torch.zeros((), requires_grad=True)
    fake = instance_noise(batch.fake + shift, batch.fake_noise, noise)
    loss = minimax.g(None, n.D(fake))
    (found,) = torch.autograd.grad(loss, shift)
    return float(found)


def experiment(lab: Lab, *, theta: float = 2.0, width: float = 0.1, steps: int = 1_500) -> Findings:
    """Compare the exact gradient with that through trained critics.

    Args:
        lab: Seed, folder and progress bars.
        theta: Distance between the two.
        width: Their standard deviation without noise.
        steps: Updates of each critic.
    """
    rows = []
    for noise in lab.track(NOISES, "instance noise"):
        found = measure_slope(theta, width, noise, steps, lab.seed)
        rows.append({"noise": noise, "exact": slope(theta, width, noise), "trained": found})
    says = tuple(
        f"noise {r['noise']:g}: d(2 JSD)/d theta at {theta:g} is {r['exact']:.3g}; through a trained critic "
        f"{r['trained']:.3g}"
        for r in rows
    )
    return Findings({"theta": theta, "width": width, "rows": rows}, says, {"slopes": _draw(rows, theta, width)})


def _draw(rows: list[dict[str, float]], theta: float, width: float) -> Figure:
    figure, axes = panels(1, 2, width=4.0, height=3.2)
    away = np.linspace(0.05, 5, 60)
    for i, row in enumerate(rows):
        curve = [divergence(t, width, row["noise"]) for t in away]
        axes[0, 0].plot(away, curve, label=f"noise {row['noise']:g}", **line(i))
    axes[0, 0].axhline(np.log(2), color="#888888", linewidth=0.8)
    axes[0, 0].annotate("log 2", (4.4, np.log(2)), textcoords="offset points", xytext=(0, 3), fontsize=8)
    axes[0, 0].set(xlabel="theta", ylabel="JSD, nats", title="both noised", ylim=(0, 0.78))
    axes[0, 0].legend(fontsize=8, loc="lower right")
    noises = [row["noise"] for row in rows]
    fine = np.linspace(0, noises[-1], 41)
    axes[0, 1].plot(fine, [slope(theta, width, noise) for noise in fine], label="exact: d(2 JSD)/d theta", **line(0))
    trained = [row["trained"] for row in rows]
    axes[0, 1].plot(noises, trained, "o", color=line(2)["color"], label="through a trained critic")
    axes[0, 1].set(xlabel="standard deviation of the noise", title=f"the generator's gradient at theta {theta:g}")
    axes[0, 1].legend(fontsize=8)
    return figure


def claims(numbers: Mapping[str, Any]) -> dict[str, bool]:
    """What these numbers show of the claims that the page is about, and what not."""
    rows = numbers["rows"]
    without, most = rows[0], max(rows, key=lambda row: float(row["exact"]))
    return {
        "without noise there is no gradient, and with some there is": without["exact"] < 1e-3 < 0.1 < most["exact"],
        "too much noise flattens it again": rows[-1]["exact"] < most["exact"],
        "trained critics give the same gradient, within a tenth of the largest": all(
            abs(row["trained"] - row["exact"]) < most["exact"] / 10 for row in rows
        ),
    }
