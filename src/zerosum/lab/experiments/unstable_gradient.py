"""Unstable gradient: with -log D the generator is told more and more, and more and more noisily.

The remedy for vanishing gradients, to minimise -log D(G(z)), has a price. Arjovsky and Bottou 2017 (arXiv:1701.04862),
Section 2.2.2, take the same frozen generators and the same new critics, but the gradient of -log D(G(z)): as the critic
gets better, its norm grows, and so does its variance. At an optimal critic this gradient is that of KL(q || p) - 2 JSD:
it asks to be nearer and farther at once.

Measured here on clothes, as in `vanishing-gradient`: the mean over batches of the norm of the gradient in the
generator's weights, and its variance from batch to batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zerosum.lab.frozen import GradientRow, study

FORMULAS = (  # mathtext, and what it is
    (
        r"\nabla_\theta\,\mathbb{E}[-\log D^*(G_\theta(z))] = "
        r"\nabla_\theta\,[\mathrm{KL}(q_\theta\,\|\,p) - 2\,\mathrm{JSD}(q_\theta\,\|\,p)]",
        "the gradient at an optimal critic",
    ),
)
QUICK = {"epochs": (0, 1), "width": 8, "critic_steps": 150, "looks": 12, "repeats": 6}


def _sentence(age: int, rows: Sequence[GradientRow]) -> str:
    first, last = rows[0], rows[-1]
    return (
        f"after {age} epochs: the norm goes from {first['ns_mean']:.3g} to {last['ns_mean']:.3g} in {last['step']:,} "
        f"steps of the new critic, its variance from {first['ns_variance']:.2g} to {last['ns_variance']:.2g}"
    )


def _label(norm: Any, variance: Any) -> None:
    norm.set(yscale="log", ylabel="norm", title="gradient of −log D(G(z))")
    variance.set(yscale="log", ylabel="variance of the norm", title="batch to batch")


experiment = study(("ns_mean", "ns_variance"), _sentence, _label, batches=12)


def claims(numbers: Mapping[str, Any]) -> dict[str, bool]:
    """What these numbers show of the claims that the page is about, and what not."""
    ends = [(rows[0], rows[-1]) for rows in numbers["rows"].values()]
    return {
        "as the critic gets better the gradient of -log D grows, three times or more": all(
            last["ns_mean"] > 3 * first["ns_mean"] for first, last in ends
        ),
        "so does its variance, ten times or more": all(
            last["ns_variance"] > 10 * first["ns_variance"] for first, last in ends
        ),
    }
