"""What is drawn at random for each batch: latents and labels, as functions ``(n, rng) -> Tensor``.

A draw is a function of its generator only, on the generator's device, so that batch number k of a run can be drawn
again from the seed and k. Priors made here say what their law is, so that whoever truncates latents, walks between
them, or writes down how samples were drawn need not guess.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

Prior = Callable[[int, torch.Generator], Tensor]  # (n, rng) -> (n, ...)
Variable = Callable[[Tensor, torch.Generator], Tensor]  # (real samples, rng) -> what is drawn beside them
Law = Literal["normal", "uniform"]  # of continuous latents


@dataclass(frozen=True)
class Noise:
    """Independent latents of one law, float32 ``(n, dim)``: N(0, 1) or U[-1, 1).

    Attributes:
        law: The law.
        dim: Number of components.
    """

    law: Law
    dim: int

    def __call__(self, n: int, rng: torch.Generator) -> Tensor:
        """``n`` latents."""
        if self.law == "normal":
            return torch.randn(n, self.dim, generator=rng, device=rng.device, dtype=torch.float32)
        return torch.rand(n, self.dim, generator=rng, device=rng.device, dtype=torch.float32).mul_(2).sub_(1)


def normal(dim: int) -> Noise:
    """Standard normal latents, z ~ N(0, I): float32 ``(n, dim)``."""
    return Noise("normal", dim)


def uniform(dim: int) -> Noise:
    """Uniform latents, z ~ U[-1, 1)^dim: float32 ``(n, dim)``."""
    return Noise("uniform", dim)


@dataclass(frozen=True)
class Coded:
    """Latents of which only the first components are noise: the others are codes, which samples are to show.

    Float32 ``(n, d)``. Codes are kept as they are where noise is truncated, as labels are.

    Attributes:
        noise: Law of the noise.
        codes: Laws of the codes, in this order.
    """

    noise: Noise
    codes: tuple[Prior, ...]

    @property
    def law(self) -> Law:
        """Law of the noise."""
        return self.noise.law

    def __call__(self, n: int, rng: torch.Generator) -> Tensor:
        """``n`` latents."""
        return torch.cat([self.noise(n, rng), *(code(n, rng) for code in self.codes)], 1)


@dataclass(frozen=True)
class LabelLaw:
    """Labels of known frequencies, each drawn by itself: int64 ``(n,)``.

    Attributes:
        name: ``"uniform"`` where all classes are equally likely, ``"empirical"`` for the frequencies of data.
        counts: How often each class comes, relative to the others; 0 for one that never does.
    """

    name: Literal["uniform", "empirical"]
    counts: tuple[int, ...]

    def __post_init__(self) -> None:
        if min(self.counts, default=-1) < 0 or not any(self.counts):
            raise ValueError(f"counts={self.counts}: must be one number for each class, of 0 or more, and not all 0")

    def __call__(self, n: int, rng: torch.Generator) -> Tensor:
        """``n`` labels; for equal frequencies the same ones under either name."""
        integers = partial(torch.randint, size=(n,), generator=rng, device=rng.device)
        if len(set(self.counts)) == 1:
            return integers(len(self.counts))
        ends = torch.tensor(self.counts, device=rng.device).cumsum(0)
        return torch.bucketize(integers(sum(self.counts)), ends, right=True)  # exact: of integers, not of shares


class Labelled(Protocol):
    """Data with labels; see ``zerosum.data.Data``."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        ...

    def class_counts(self) -> tuple[int, ...]:
        """Number of samples of each class; ``()`` where it is not known."""
        ...


def labels(classes: int) -> LabelLaw:
    """Labels, each of the ``classes`` equally likely: int64 ``(n,)``."""
    return LabelLaw("uniform", (1,) * classes)


def labels_like(data: Labelled) -> LabelLaw:
    """Labels with the frequencies of the data, for generators that are trained on their labels: int64 ``(n,)``.

    Where only the shape of the data is known, classes are equally likely, until the law that a run recorded is put in
    its place.
    """
    counts = data.class_counts()
    return LabelLaw("empirical", tuple(counts)) if any(counts) else labels(len(data.classes))


@dataclass(frozen=True)
class Likewise:
    """Conditions that are no labels, and where they are from.

    Attributes:
        name: Name of their law, for protocols of scores.
        draw: Function that draws them, ``(n, rng) -> (n, ...)``.
    """

    name: str
    draw: Prior

    def __call__(self, n: int, rng: torch.Generator) -> Tensor:
        """``n`` conditions."""
        return self.draw(n, rng)


@dataclass(frozen=True)
class Conditional:
    """What a conditional generator is called with: latents ``(n, d)`` and their conditions ``(n, ...)``.

    Attributes:
        latent: Law of the latents.
        condition: Law of the labels, or of other conditions.
        first: Whether conditions are drawn before latents, which decides what a seed gives.
    """

    latent: Prior
    condition: LabelLaw | Likewise
    first: bool = False

    def __call__(self, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """``n`` latents and their conditions."""
        if self.first:
            condition = self.condition(n, rng)
            return self.latent(n, rng), condition
        return self.latent(n, rng), self.condition(n, rng)


def one_hot(classes: int) -> Prior:
    """Categorical codes, each of the ``classes`` equally likely: float32 ``(n, classes)``, one 1 in each row."""
    law = labels(classes)
    return lambda n, rng: F.one_hot(law(n, rng), classes).float()


def each(prior: Prior, *, times: int = 1) -> Variable:
    """``times`` draws of a prior for each real sample."""
    return lambda x, rng: prior(times * len(x), rng)


def per_sample(x: Tensor, rng: torch.Generator) -> Tensor:
    """One number for each real sample, U[0, 1): float32 ``(B,)``."""
    return torch.rand(len(x), generator=rng, device=x.device)


def uniform_like(x: Tensor, rng: torch.Generator) -> Tensor:
    """Noise of the samples' shape, U[0, 1) each: float32."""
    return torch.rand(x.shape, generator=rng, device=x.device)


def normal_like(x: Tensor, rng: torch.Generator) -> Tensor:
    """Noise of the samples' shape, N(0, 1) each: float32."""
    return torch.randn(x.shape, generator=rng, device=x.device)
