"""Unstable gradient: with -log D the generator is told more and more, and more and more noisily.

The remedy for vanishing gradients, to minimise -log D(G(z)), has a price. Arjovsky and Bottou 2017 (arXiv:1701.04862),
Section 2.2.2: the same frozen generators, the same new critics, but the gradient of -log D(G(z)): as the critic gets
better, its norm grows, and so does its variance. At an optimal critic this gradient is that of KL(q || p) - 2 JSD:
it asks to be nearer and farther at once.

Measured here on clothes, as in `zerosum lab vanishing-gradient`: mean over batches of the norm of the gradient in the
generator's weights, and its variance from batch to batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from zerosum.theory.lab.base import Found, Lab
from zerosum.theory.lab.frozen import Row, by_age, draw, trained

QUICK = {"epochs": (0, 1), "width": 8, "critic_steps": 150, "looks": 12, "repeats": 6}


def experiment(
    lab: Lab,
    *,
    data: str = "fashion-mini",
    epochs: tuple[int, ...] = (1, 10, 25),
    width: int = 16,
    critic_steps: int = 2_000,
    looks: int = 30,
    repeats: int = 12,
) -> Found:
    """Freeze a DCGAN at several ages, and train a new critic against each.

    Args:
        lab: its room.
        data: real images.
        epochs: ages of the generator, in passes over the images.
        width: channels of both networks' outermost layers.
        critic_steps: of the new critic.
        looks: at how many moments the gradient is measured.
        repeats: batches at each, over which the variance is taken.
    """
    ages = trained(lab, data=data, epochs=epochs, width=width)
    rows = by_age(lab, ages, steps=critic_steps, looks=looks, repeats=repeats)
    says = tuple(_sentence(age, found) for age, found in rows.items())
    return Found({"data": data, "rows": rows}, says, {"norm": _draw(rows)})


def _sentence(age: int, rows: Sequence[Row]) -> str:
    first, last = rows[0], rows[-1]
    return (
        f"after {age} epochs: the norm goes from {first['ns_mean']:.3g} to {last['ns_mean']:.3g} in {last['step']:,} "
        f"steps of the new critic, its variance from {first['ns_variance']:.2g} to {last['ns_variance']:.2g}"
    )


def _draw(rows: Mapping[int, Sequence[Row]]) -> Figure:
    figure, (norm, variance) = draw(rows, ("ns_mean", "ns_variance"))
    norm.set(yscale="log", ylabel="norm", title="gradient of −log D(G(z))")
    variance.set(yscale="log", ylabel="variance of the norm", title="batch to batch")
    return figure
