"""Batch normalisation ties the samples of a batch together; virtual batch normalisation does not.

With batch norm a sample is not a function of its own latent: mean and variance depend on what else is in the batch.
Salimans et al. 2016 (arXiv:1606.03498), Section 3.5, compare each sample with a reference batch that was fixed at the
start instead, and with nothing else.

Measured: one sample is generated again and again, each time with other companions, and the variance of its output
over the companions is compared with the variance over latents. For one layer and independent standard normal features
there is a prediction: the mean of B samples varies by 1/B and their variance by 2/B, so that the normalised feature x
varies by (1 + x^2 / 2) / B, on average 1.5 / B. A whole DCGAN generator, untrained, adds up what its layers do, less
what their many places average out. With virtual batch norm the variance is exactly 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from zerosum.core.random import generator
from zerosum.lab.base import Findings, Lab
from zerosum.lab.drawing import line, panels
from zerosum.lab.training import seed_weights
from zerosum.networks import dcgan
from zerosum.networks.layers import BatchNorm
from zerosum.networks.layers.virtual_batch_norm import Referenced, VirtualBatchNorm

FORMULAS = (  # mathtext, and what it is
    (
        r"\mathrm{Var}[\hat x] \approx \frac{1 + x^2/2}{B}, "
        r"\quad \mathbb{E}_x\,\mathrm{Var}[\hat x] \approx \frac{3}{2B}",
        "variance of a normalised feature over its companions in batches of B",
    ),
)
QUICK = {"companies": 12, "width": 4}
SIZES = (8, 16, 32, 64, 128)
FEATURES, LATENT, SUBJECTS = 256, 32, 8


def dependence(
    net: Callable[[Tensor], Tensor], latent: int, size: int, companies: int, seed: int, *, label: str, lab: Lab
) -> float:
    """The variance of outputs over the companions in the batch, divided by the variance over latents.

    Args:
        net: Network in training mode, (B, latent) -> (B, ...).
        latent: Dimension of z.
        size: Batch size B, which includes the subject.
        companies: Number of batches that each subject is put into.
        seed: Seed of all latents.
        label: Label of the progress bar.
        lab: Seed, folder and progress bars.
    """
    rng = generator(seed, "companions", size)
    subjects = torch.randn(SUBJECTS, latent, generator=rng)
    within, centres = [], []
    with torch.no_grad():
        for subject in lab.track(subjects, label):
            others = torch.randn(companies, size - 1, latent, generator=rng)
            outs = torch.stack([net(torch.cat([subject[None], o]))[0].flatten() for o in others]).double()
            within.append(outs.var(0))
            centres.append(outs.mean(0))
    # The centres vary with the latent; what is left of the companions in them is removed.
    own = torch.stack(centres).var(0).mean() - torch.stack(within).mean() / companies
    return float(torch.stack(within).mean() / own)


def layer() -> nn.Module:
    """A single batch norm, for standard normal features."""
    return BatchNorm(FEATURES).train()


def generators(width: int, seed: int, reference: int) -> dict[str, nn.Module]:
    """The same untrained DCGAN with either normalisation.

    Args:
        width: Channels of the last hidden layer.
        seed: Seed of the weights and of the reference batch.
        reference: Samples in the reference batch.
    """
    rng = generator(seed, "reference")
    made: dict[str, nn.Module] = {}
    with seed_weights(seed):
        made["batch norm"] = dcgan.Generator(LATENT, width, 32, 1, 4).train()
        net = dcgan.Generator(LATENT, width, 32, 1, 4, norm=partial(VirtualBatchNorm, reference=reference))
    made["virtual batch norm"] = Referenced(net, torch.randn(reference, LATENT, generator=rng)).train()
    return made


def experiment(lab: Lab, *, companies: int = 100, width: int = 16, reference: int = 64) -> Findings:
    """Measure how much of a sample is due to its companions.

    Args:
        lab: Seed, folder and progress bars.
        companies: Number of batches that each of the samples is put into.
        width: Channels of the DCGAN's last hidden layer.
        reference: Samples in the reference batch of virtual batch norm.
    """
    subjects: dict[str, tuple[Callable[[Tensor], Tensor], int]] = {"one layer": (layer(), FEATURES)}
    subjects |= {f"DCGAN, {name}": (net, LATENT) for name, net in generators(width, lab.seed, reference).items()}
    found = {
        name: [dependence(net, latent, b, companies, lab.seed, label=f"{name}, {b}", lab=lab) for b in SIZES]
        for name, (net, latent) in subjects.items()
    }
    predicted = [1.5 / size for size in SIZES]
    says = tuple(
        f"{name}: companions account for {values[0]:.2%} of a sample's variance in batches of {SIZES[0]}, for "
        f"{values[-1]:.2%} in batches of {SIZES[-1]}"
        for name, values in found.items()
    )
    says += (f"predicted for one layer: {predicted[0]:.2%} and {predicted[-1]:.2%}",)
    numbers = {"batch_sizes": SIZES, "dependence": found, "predicted_one_layer": predicted}
    return Findings(numbers, says, {"dependence": _draw(found, predicted)})


def _draw(found: dict[str, list[float]], predicted: Sequence[float]) -> Figure:
    figure, axes = panels(1, 1, width=5.0, height=3.4)
    axes[0, 0].plot(SIZES, predicted, label="one layer, predicted: 1.5 / B", **line(0))
    for i, (name, values) in enumerate(found.items(), 1):
        if any(values):
            axes[0, 0].plot(SIZES, values, label=name, **line(i, marked=True))
    axes[0, 0].set(xscale="log", yscale="log", xlabel="batch size B", ylabel="companions' share of the variance")
    axes[0, 0].set_title("virtual batch norm: 0 at every batch size")
    axes[0, 0].legend(fontsize=8)
    return figure


def claims(numbers: Mapping[str, Any]) -> dict[str, bool]:
    """What these numbers show of the claims that the page is about, and what not."""
    found, predicted = numbers["dependence"], numbers["predicted_one_layer"]
    layer, virtual = found["one layer"], found["DCGAN, virtual batch norm"]
    return {
        "companions account for the predicted share of a sample's variance, within a quarter": all(
            abs(share - wanted) < 0.25 * wanted for share, wanted in zip(layer, predicted, strict=True)
        ),
        "the larger the batch, the less they do": all(a > b for a, b in pairwise(layer)),
        "with virtual batch norm they account for nothing": max(virtual) < 1e-6,
    }
