"""What the loss means: Wasserstein's falls as samples get better, the JSD's stays at log 2.

Arjovsky et al. 2017 (arXiv:1701.07875), Section 4.2, show the critic's estimate beside the samples: with a Wasserstein
critic the curve falls as they improve, so that it has a meaning. An estimate of the Jensen-Shannon divergence stays
near its greatest value log 2 whatever the samples look like, as long as a classifier can tell them from real ones.

Here WGAN-GP learns the ring, where the truth can be computed. There are four curves over one training: the exact
Wasserstein-1 distance between generated and real samples (by linear program); the estimate of the WGAN-GP critic as it
is in training; that of a critic of slope 1 trained afresh on each generator; and the JSD as a classifier trained afresh
on each generator estimates it, half its value plus log 2. The critic in training estimates a multiple of the distance:
its slope is not 1, because the weight of its penalty, that of toy experiments, is small.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor

from zerosum.core.game import Loss, Memory, Nets, Terms
from zerosum.core.optim import adam, linear_decay
from zerosum.core.random import generator
from zerosum.data import Data, load
from zerosum.lab.base import Findings, Lab
from zerosum.lab.drawing import draw_points, line, panels
from zerosum.lab.training import play, prepare, samples, seed_weights, train_critic
from zerosum.networks.mlp import Critic
from zerosum.objectives import minimax, wasserstein
from zerosum.penalties.gradient import wgan_gp
from zerosum.systems import Batch, batch
from zerosum.theory.transport import optimal_plan

FORMULAS = (  # mathtext, and what it is
    (
        r"W_1(p, q) = \sup_{\mathrm{Lip}(f) \leq 1} \mathbb{E}_p f - \mathbb{E}_q f",
        "what a critic of slope 1 estimates",
    ),
    (r"\mathrm{JSD}(p\,\|\,q) \geq \frac{1}{2} V(G, D) + \log 2", "what a classifier estimates"),
)
QUICK = {"steps": 250, "shots": 3, "critic_steps": 400, "exact": 150}
BATCH = 256
TrainingRow = dict[str, float]


def distance(x: Tensor, y: Tensor) -> float:
    """Wasserstein-1 between two samples with equal weights, (N, 2) each, by linear program."""
    cost = torch.cdist(x.double(), y.double()).numpy()
    return float(optimal_plan(cost, np.full(len(x), 1 / len(x)), np.full(len(y), 1 / len(y))).value)


def jsd_loss(n: Nets, b: Batch, m: Memory) -> Terms:
    """The loss of a classifier."""
    return {"adv": minimax.d(n.D(b.x), n.D(b.fake))}


def slope_one_loss(n: Nets, b: Batch, m: Memory) -> Terms:
    """The loss of a Wasserstein critic whose slope is held at 1."""
    return {"w": wasserstein.d(n.D(b.x), n.D(b.fake)), "gp": 10 * wgan_gp(n.D.frozen, b.x, b.fake, b.eps)}


def estimate(loss: Loss, data: Data, fake: Tensor, *, steps: int, seed: int) -> tuple[Tensor, Tensor]:
    """Train a new critic on real against generated samples; its outputs on new real ones, and on those generated.

    Args:
        loss: Loss that the critic descends.
        data: Source of the real samples.
        fake: Generated samples, (N, 2).
        steps: Updates of the critic.
        seed: Seed of everything random.
    """
    with seed_weights(seed):
        net = Critic((2,), (128, 128), activation=F.silu)
    optimizer = adam(linear_decay(2e-3, 0, steps), beta1=0.5)
    n = train_critic(net, loss, optimizer, _batches(data, fake, seed), steps, lab=Lab(), label="")
    x, _ = data.batch(0, len(fake), seed=seed + 1)
    with torch.no_grad():
        return n.D(x), n.D(fake)


def _batches(data: Data, fake: Tensor, seed: int) -> Iterator[Batch]:
    rng = generator(seed, "loss-meaning")
    for k in count():
        x, _ = data.batch(k, BATCH, seed=seed)
        chosen = fake[torch.randint(len(fake), (BATCH,), generator=rng)]
        yield batch(x=x, fake=chosen, eps=torch.rand(BATCH, generator=rng))


def experiment(
    lab: Lab,
    *,
    data: str = "ring",
    steps: int = 4_000,
    shots: int = 10,
    critic_steps: int = 1_500,
    exact: int = 500,
) -> Findings:
    """Train WGAN-GP, and judge its generator now and then.

    Args:
        lab: Seed, folder and progress bars.
        data: Source of points in the plane.
        steps: Generator updates.
        shots: Number of generators that are judged, spaced evenly in log steps.
        critic_steps: Updates of each fresh critic.
        exact: Number of samples for the exact distance.
    """
    setup = prepare("wgan-gp", data=data, seed=lab.seed, steps=steps, width=128)
    source = load(data)
    moments = sorted({0, *np.geomspace(10, steps, shots - 1).round().astype(int).tolist()})
    rows: list[TrainingRow] = []
    pictures: list[Tensor] = []
    for step, state, said in lab.track(play(setup), "WGAN-GP", steps + 1):
        if step in moments:
            fake = samples(setup, state, 4 * BATCH)
            own = float("nan") if not said else -float(said["D"]["w"])
            rows.append({"step": step, "training": own} | judge(source, fake, critic_steps, exact, lab.seed))
            pictures.append(fake)
    falls = _rank_correlation([r["exact"] for r in rows], [r["slope_one"] for r in rows])
    return Findings(
        {"rows": rows, "rank_correlation": falls}, _sentences(rows, falls), {"curves": _draw(rows, pictures, source)}
    )


def judge(source: Data, fake: Tensor, critic_steps: int, exact: int, seed: int) -> TrainingRow:
    """Judge one generator by the exact distance of its samples and by both estimates.

    Args:
        source: Source of the real samples.
        fake: Generated samples, (N, 2).
        critic_steps: Updates of each critic.
        exact: Number of samples for the exact distance.
        seed: Seed of everything random.
    """
    x, _ = source.batch(0, exact, seed=seed + 2)
    real, made = estimate(slope_one_loss, source, fake, steps=critic_steps, seed=seed)
    told = estimate(jsd_loss, source, fake, steps=critic_steps, seed=seed)
    value = -float(minimax.d(*told))
    return {
        "exact": distance(x, fake[:exact]),
        "slope_one": float(real.mean() - made.mean()),
        "jsd": value / 2 + math.log(2),
    }


def _rank_correlation(x: Sequence[float], y: Sequence[float]) -> float:
    from scipy.stats import spearmanr

    return float(spearmanr(x, y).statistic)


def _sentences(rows: Sequence[TrainingRow], falls: float) -> tuple[str, ...]:
    first, last = rows[0], rows[-1]
    nearly = sum(row["jsd"] > 0.9 * math.log(2) for row in rows)
    return (
        f"exact Wasserstein distance: {first['exact']:.3f} untrained, {last['exact']:.3f} after {last['step']:,} steps",
        f"a critic of slope 1 estimates {first['slope_one']:.3f} and {last['slope_one']:.3f}; its ranks agree with the "
        f"exact ones to {falls:.3f} (Spearman)",
        f"the JSD is estimated at {first['jsd']:.3f} and {last['jsd']:.3f} of log 2 = {math.log(2):.3f}; it is above "
        f"nine tenths of that for {nearly} of {len(rows)} generators",
    )


def _draw(rows: Sequence[TrainingRow], pictures: Sequence[Tensor], source: Data) -> Figure:
    real, _ = source.batch(0, 1_000, seed=0)
    figure, axes = panels(1, 5, width=2.9, height=2.9)
    steps = [max(row["step"], 1) for row in rows]
    for i, (key, label) in enumerate((("exact", "exact distance"), ("slope_one", "critic of slope 1"))):
        axes[0, 0].plot(steps, [row[key] for row in rows], label=label, **line(i, marked=True))
    axes[0, 0].plot(steps, [row["training"] for row in rows], label="critic in training", **line(2, marked=True))
    axes[0, 0].set(xscale="log", yscale="log", xlabel="generator updates", title="Wasserstein-1")
    axes[0, 0].legend(fontsize=7)
    axes[0, 1].plot(steps, [row["jsd"] for row in rows], **line(3, marked=True))
    axes[0, 1].axhline(math.log(2), color="#888888", linewidth=0.8)
    axes[0, 1].set(xscale="log", ylim=(0, 0.75), xlabel="generator updates", title="JSD, estimated (line: log 2)")
    for panel, k in zip(axes[0, 2:], (0, len(rows) // 2, len(rows) - 1), strict=True):
        draw_points(panel, pictures[k], real, f"step {rows[k]['step']:,}")
    return figure


def claims(numbers: Mapping[str, Any]) -> dict[str, bool]:
    """What these numbers show of the claims that the page is about, and what not."""
    rows, most = numbers["rows"], math.log(2)
    better = [row for row in rows if 0 < row["exact"] < 0.75 * rows[0]["exact"]]
    flat = [row for row in better if 0.9 * most < row["jsd"] < most + 0.01]
    return {
        "the Wasserstein estimate falls with the distance (five generators or more, rank correlation above 0.9)": (
            len(rows) >= 5 and numbers["rank_correlation"] > 0.9
        ),
        "the JSD is still near log 2 where samples are better by a quarter": bool(flat),
    }
