"""Mode collapse: the ring over time, seven ways to play.

Eight Gaussians on a circle (Metz et al. 2017, arXiv:1611.02163). A generator that only has to fool the critic of the
moment can do so with one mode; the critic learns to reject it, the generator moves on, and the two chase each other
around the ring. The remedies of the field: to look ahead (unrolling), to let the critic see several samples at once
(minibatch discrimination, packing), to match features instead of fooling, or to change the game (WGAN-GP).

Each recipe is played with its own defaults except for those that the numbers list; all make the same number of
generator updates, not of critic updates (WGAN-GP's critic makes five of them each time). A sample is of high quality if
it is within three standard deviations of a mode, and a mode is covered if there is at least one such sample. KL is that
of the shares of the nearest modes from equal shares; a single mode has 2.08. One seed says little about a chase:
`results/recipes.md` of the repository has five of each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from zerosum.data import load
from zerosum.data.points import Points
from zerosum.lab.base import Findings, Lab
from zerosum.lab.drawing import draw_points, panels
from zerosum.lab.training import play, prepare, samples
from zerosum.metrics.measures.modes import measure_modes

FORMULAS = (  # mathtext, and what it is
    (
        r"f_K(\theta_G, \theta_D) = f\left(\theta_G,\; \theta_D^{(K)}(\theta_G, \theta_D)\right)",
        "what the unrolled generator descends: the critic K updates ahead",
    ),
    (r"\mathrm{KL} = \sum_k s_k \log(8\,s_k)", "of the shares of the nearest modes from equal ones"),
)
QUICK = {"steps": 250, "count": 500}
REMEDIES = ("WGAN-GP", "unrolled, K = 5")  # those whose effect at full size is beyond the luck of a seed
METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "minimax": ("gan", {}),
    "non-saturating": ("ns-gan", {}),
    "WGAN-GP": ("wgan-gp", {"width": 128}),
    "unrolled, K = 5": ("unrolled", {"unroll": 5, "latent": 100, "width": 128, "d_lr": 2e-4, "g_lr": 2e-4}),
    "minibatch discrimination": ("improved-gan", {"smoothing": 0.0}),
    "feature matching": ("improved-gan", {"generator": "feature-matching", "kernels": 0, "smoothing": 0.0}),
    "packing": ("pac-gan", {"pack": 4}),
}
Shot = dict[str, Any]


def watch(lab: Lab, data: Points, label: str, *, steps: int, moments: Sequence[int], count: int) -> list[Shot]:
    """Play one method, and look at samples and what they cover after some steps.

    Args:
        lab: Seed, folder and progress bars.
        data: Data with modes.
        label: Name of the method, a key of ``METHODS``.
        steps: Generator updates in all.
        moments: Steps at which to look.
        count: Number of samples at each.
    """
    name, arguments = METHODS[label]
    setup = prepare(name, data=data.name, seed=lab.seed, steps=steps, **arguments)
    shots = []
    for step, state, _ in lab.track(play(setup), label, steps + 1):
        if step in moments:
            fake = samples(setup, state, count)
            shots.append({"step": step, "samples": fake} | coverage(fake, data))
    return shots


def coverage(fake: Tensor, data: Points) -> dict[str, float]:
    """The number of modes covered, the share of high quality, and the KL from equal shares."""
    assert data.std is not None
    report = measure_modes([fake], data.modes, data.std)
    return {"modes": report.covered, "high_quality": report.quality, "kl": report.divergence}


def experiment(lab: Lab, *, steps: int = 4_000, shots: int = 5, count: int = 2_500) -> Findings:
    """Play each method on the ring, and look now and then.

    Args:
        lab: Seed, folder and progress bars.
        steps: Generator updates of each.
        shots: Number of looks at each, at equal distances.
        count: Number of samples at each look.
    """
    data = load("ring")
    assert isinstance(data, Points)
    moments = np.linspace(steps / shots, steps, shots).round().astype(int).tolist()
    seen = {label: watch(lab, data, label, steps=steps, moments=moments, count=count) for label in METHODS}
    numbers = {
        label: {
            "recipe": METHODS[label][0],
            "arguments": METHODS[label][1],
            "shots": [{k: v for k, v in shot.items() if k != "samples"} for shot in found],
        }
        for label, found in seen.items()
    }
    says = tuple(
        f"{label}: {found[-1]['modes']} of 8 modes after {steps:,} steps, {found[-1]['high_quality']:.0%} of high "
        f"quality, KL {found[-1]['kl']:.2f}; modes at each look: {', '.join(str(s['modes']) for s in found)}"
        for label, found in seen.items()
    )
    real, _ = data.batch(0, 1_000, seed=lab.seed)
    return Findings({"methods": numbers}, says, {"ring": _draw(seen, real)})


def _draw(seen: Mapping[str, Sequence[Shot]], real: Tensor) -> Figure:
    columns = len(next(iter(seen.values())))
    figure, axes = panels(len(seen), columns, width=1.5, height=1.6)
    for row, (label, shots) in zip(axes, seen.items(), strict=True):
        for panel, shot in zip(row, shots, strict=True):
            draw_points(
                panel, shot["samples"][:1_000], real, f"step {shot['step']:,}: {shot['modes']} modes", limit=2.9
            )
            panel.title.set_fontsize(7)
        row[0].set_ylabel(label, fontsize=8)
    return figure


def claims(numbers: Mapping[str, Any]) -> dict[str, bool]:
    """What these numbers show of the claims that the page is about, and what not."""
    last = {name: one["shots"][-1] for name, one in numbers["methods"].items()}
    plain = max(last[name]["high_quality"] for name in ("minimax", "non-saturating") if name in last)
    return {
        "WGAN-GP and unrolling cover seven modes or all": all(
            last[name]["modes"] >= 7 for name in REMEDIES if name in last
        ),
        "they make more good samples than the plain games, ten times as many": all(
            last[name]["high_quality"] > max(0.1, 10 * plain) for name in REMEDIES if name in last
        ),
    }
