"""Vanishing gradient: a better critic teaches less.

Arjovsky and Bottou 2017 (arXiv:1701.04862), Section 2.2.1, train a DCGAN on images for 1, 10 and 25 epochs, freeze the
generator, and train a critic from scratch against it. The nearer that critic comes to the optimum, the smaller the
gradient of log(1 - D(G(z))) in the generator's weights: in their figure by up to five orders of magnitude within 4,000
steps. The distributions lie on manifolds of low dimension that hardly meet, so a nearly perfect critic exists, and
around it the objective is flat.

Measured here on clothes (their images are LSUN bedrooms): the norm of that gradient over the critic's steps, for the
same generator at three ages, as a mean over batches. The critic's accuracy says how well it tells the two apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zerosum.lab.frozen import GradientRow, study

FORMULAS = (  # mathtext, and what it is
    (
        r"\left\| \nabla_\theta\,\mathbb{E}\,\log(1 - D(G_\theta(z))) \right\| \to 0 \quad\mathrm{as}\quad D \to D^*",
        "what is measured",
    ),
)
QUICK = {"epochs": (0, 1), "width": 8, "critic_steps": 150, "looks": 12}


def _sentence(age: int, rows: Sequence[GradientRow]) -> str:
    first, last = rows[0], rows[-1]
    fall = first["minimax_mean"] / last["minimax_mean"]
    return (
        f"after {age} epochs: norm {first['minimax_mean']:.3g} with a new critic, {last['minimax_mean']:.3g} after its "
        f"{last['step']:,} steps, {fall:,.0f} times less; it is right in {last['accuracy']:.1%} of the cases"
    )


def _label(norm: Any, accuracy: Any) -> None:
    norm.set(yscale="log", ylabel="norm", title="gradient of log(1 − D(G(z)))")
    accuracy.set(ylabel="accuracy", title="the new critic")


experiment = study(("minimax_mean", "accuracy"), _sentence, _label, batches=4)


def claims(numbers: Mapping[str, Any]) -> dict[str, bool]:
    """What these numbers show of the claims that the page is about, and what not."""
    ends = [(rows[0], rows[-1]) for rows in numbers["rows"].values()]
    return {
        "as the critic gets better the gradient falls, to a tenth or less": all(
            last["minimax_mean"] < first["minimax_mean"] / 10 for first, last in ends
        )
    }
