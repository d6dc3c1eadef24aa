"""Samples from a trained generator: one fixed sequence for each seed, whatever pieces it is drawn in."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import torch
from torch import Tensor, nn

from zerosum.core.game import State
from zerosum.core.random import generator
from zerosum.errors import UsageError, nearest
from zerosum.latent.interpolate import Way, bound_of, way_for
from zerosum.latent.truncation import Truncated, truncated
from zerosum.networks.layers.batch_norm import BatchNorm, standing_statistics

if TYPE_CHECKING:
    from zerosum.systems import Inputs

P = ParamSpec("P")
T = TypeVar("T")
BLOCK = 64  # latents are drawn in blocks, so that sample 1,000 does not depend on how the ones before it were drawn
PIECE = 250  # samples that are computed at once
LISTED = 20  # largest number of classes that a message lists


class Sampler:
    """A generator with its prior.

    ``sampler(start, n)`` are samples ``start`` to ``start + n - 1``: float32 on the CPU, (n, *shape), images in
    [-1, 1].

    Args:
        network: Generator, in any mode. A copy in evaluation mode is kept.
        prior: ``(n, rng) ->`` what the network is called with: latents, or a tuple such as (latents, labels).
        device: Device to compute on.
        autocast: Precision, as in training. ``None``: float32.
        seed: Seed of the sequence.
        names: Names of the classes, for :meth:`sample`; ``()`` where they have none.
    """

    def __init__(
        self,
        network: nn.Module,
        prior: Inputs,
        *,
        device: torch.device | str = "cpu",
        autocast: torch.dtype | None = None,
        seed: int = 0,
        names: Sequence[str] = (),
    ) -> None:
        self.names = tuple(names)
        self.network = copy.deepcopy(network).to(device).eval().requires_grad_(False)
        self.prior, self.device, self.autocast, self.seed = prior, torch.device(device), autocast, seed
        self.classes: tuple[int, ...] = ()  # classes in turn; () for those that the prior draws

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Give the generator these weights and buffers."""
        self.network.load_state_dict(tensors)

    def __repr__(self) -> str:
        count = sum(weight.numel() for weight in self.network.parameters())
        kind = "labels and latents" if self.labelled else "latents"
        return f"<generator of {count:,} parameters, from {kind}, seed {self.seed}, on {self.device}>"

    @property
    def module(self) -> nn.Module:
        """A copy of the network as a plain module in evaluation mode, called with latents, and labels where there are.

        It belongs to the caller: ``torch.save``, ``torch.export`` or further training do not touch the run.
        """
        return copy.deepcopy(self.network).requires_grad_(True)

    def sample(
        self,
        n: int,
        *,
        seed: int | None = None,
        classes: str | int | Sequence[str | int] | None = None,
        truncation: float | None = None,
        standing: int = 0,
    ) -> Tensor:
        """Samples: those that belong to a seed, the same every time.

        Args:
            n: Number of samples.
            seed: Seed. ``None``: the run's own, as in its pictures.
            classes: Classes of the samples, in turn: names or numbers from 0. ``None``: as the prior draws them.
            truncation: Largest size of a latent's component, above 0. ``None``: latents as in training.
            standing: Batches of 250 samples from which the statistics of batch normalisation are taken afresh.

        Returns:
            float32 on the CPU, (n, *shape): images in [-1, 1], or points.

        Raises:
            UsageError: The generator does not take a class, there is no such class, or a number makes no sense.
        """
        if n < 1:
            raise UsageError(f"n={n}: must be at least 1", argument="n")
        sampler = self if seed is None else self.with_seed(seed)
        if classes is not None:
            chosen = [classes] if isinstance(classes, str | int) else classes
            sampler = call_for_user(sampler.of_classes, [self._number(one) for one in chosen])
        if truncation is not None:
            sampler = sampler.truncated(truncation)
        return (call_for_user(sampler.standing, standing) if standing else sampler)(0, n)

    def _number(self, named: str | int) -> int:
        """The number of a class."""
        if isinstance(named, str):
            if named in self.names:
                return self.names.index(named)
            raise UsageError(f"there is no class {named!r}.{nearest(named, self.names)} Classes: {self._listed()}")
        if self.names and not 0 <= named < len(self.names):
            raise UsageError(f"there is no class {named}: they are numbered from 0 to {len(self.names) - 1}")
        return named

    def _listed(self) -> str:
        shown = ", ".join(self.names[:LISTED]) or "numbers only"
        return f"{shown}, ... {self.names[-1]}" if len(self.names) > LISTED else shown

    def with_seed(self, seed: int) -> Sampler:
        """The same generator with another sequence."""
        other = copy.copy(self)
        other.seed = seed
        return other

    @property
    def labelled(self) -> bool:
        """Whether the generator takes a class besides its latent."""
        _, *others = self.latents(0, 1)
        return len(others) == 1 and others[0].dtype == torch.int64 and others[0].dim() == 1

    @property
    def bound(self) -> float | None:
        """Size that no component of the latents exceeds: 1 of uniform ones. ``None``: there is no such bound."""
        return bound_of(self.prior, self.device)

    @property
    def way(self) -> Way:
        """The way between latents that stays where the prior has them: ``lerp`` or ``slerp``."""
        return way_for(self.prior, self.device)

    @property
    def batch_normalised(self) -> bool:
        """Whether the generator has batch normalisation, and so statistics that depend on the latents in use."""
        return any(isinstance(module, BatchNorm) for module in self.network.modules())

    def of_classes(self, classes: Sequence[int]) -> Sampler:
        """The same generator with samples of these classes in turn. Latents stay those of the seed.

        Args:
            classes: Numbers of the classes, from 0.

        Raises:
            ValueError: The generator does not take a class, or no class is given.
        """
        if not self.labelled:
            raise ValueError("this generator does not take a class (those of cgan, ac-gan and biggan, for example, do)")
        if not classes or min(classes) < 0:
            raise ValueError(f"classes {tuple(classes)}: must be one or more numbers from 0")
        other = copy.copy(self)
        other.classes = tuple(classes)
        return other

    def truncated(self, threshold: float) -> Sampler:
        """The same generator with no component of its latents' noise beyond ``threshold``.

        Labels, and codes such as those of InfoGAN, stay as they are.

        Raises:
            UsageError: The threshold is not above 0; or, when latents are drawn, they never come within it.
        """
        other = copy.copy(self)
        other.prior = call_for_user(truncated, self.prior, threshold)
        return other

    def standing(self, batches: int = 16, size: int = 250) -> Sampler:
        """The same generator with batch-norm statistics of its own samples, for the latents that are in use now.

        The statistics cover all classes that the prior draws, whatever classes samples have, and depend on the seed.

        Args:
            batches: Number of batches that are averaged over.
            size: Samples in each batch.

        Raises:
            ValueError: The generator has no batch normalisation.
        """
        other = copy.copy(self)
        other.network = copy.deepcopy(self.network)
        with torch.autocast(self.device.type, self.autocast, enabled=self.autocast is not None):
            standing_statistics(other.network, (self._draw("standing", b, size) for b in range(batches)))
        return other

    def draw(self, n: int, rng: torch.Generator) -> Tensor | tuple[Tensor, ...]:
        """What the prior draws: latents (n, d), or a tuple that begins with them.

        Raises:
            UsageError: Latents never come within the truncation.
        """
        return call_for_user(self.prior, n, rng) if isinstance(self.prior, Truncated) else self.prior(n, rng)

    def _draw(self, purpose: str, block: int, size: int) -> tuple[Tensor, ...]:
        inputs = self.draw(size, generator(self.seed, purpose, block, device=self.device))
        return inputs if isinstance(inputs, tuple) else (inputs,)

    def latents(self, start: int, n: int) -> tuple[Tensor, ...]:
        """Latents ``start`` to ``start + n - 1``: (z,), or (z, y) where the generator is conditional, n of each."""
        first, last = start // BLOCK, (start + n - 1) // BLOCK
        blocks = [self._draw("sample", b, BLOCK) for b in range(first, last + 1)]
        z, *conditions = (torch.cat(parts)[start - first * BLOCK :][:n] for parts in zip(*blocks, strict=True))
        if self.classes:
            classes = torch.tensor(self.classes, device=self.device)
            conditions = [classes[torch.arange(start, start + n, device=self.device) % len(classes)]]
        return z, *conditions

    def latents_of(self, numbers: Sequence[int]) -> tuple[Tensor, ...]:
        """Latents of the samples with these numbers, in this order, as :meth:`latents` gives them."""
        return tuple(torch.cat(parts) for parts in zip(*(self.latents(i, 1) for i in numbers), strict=True))

    def images(self, *latents: Tensor) -> Tensor:
        """What :meth:`generate` makes, but all at once, on the generator's device, differentiable in the latents."""
        with torch.autocast(self.device.type, self.autocast, enabled=self.autocast is not None):
            out = self.network(*(part.to(self.device) for part in latents))
        if not isinstance(out, Tensor):
            raise UsageError(f"the generator returned {type(out).__name__}; it must return one tensor of samples")
        return out.float()

    def generate(self, *latents: Tensor) -> Tensor:
        """What the generator makes of latents, on the CPU, computed 250 at a time.

        Args:
            latents: Latents z (n, d) and, where the generator is conditional, labels (n,) or weights of classes (n, K).
        """
        pieces = zip(*(torch.split(part, PIECE) for part in latents), strict=True)
        with torch.inference_mode():
            return torch.cat([self.images(*piece).cpu() for piece in pieces])

    def __call__(self, start: int, n: int) -> Tensor:
        """Samples ``start`` to ``start + n - 1``, (n, *shape), computed 250 at a time."""
        return torch.cat([self.generate(*self.latents(start + i, min(PIECE, n - i))) for i in range(0, n, PIECE)])


def call_for_user(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function that may refuse, with a ``ValueError``, what a user asked for.

    Raises:
        UsageError: The function refuses.
    """
    try:
        return function(*args, **kwargs)
    except ValueError as error:
        raise UsageError(str(error)) from error


def sampled_tensors(state: State, name: str) -> dict[str, Tensor]:
    """The weights to sample network ``name`` with: its running average where one is kept."""
    return state.average[name] if name in state.average else state.weights[name] | state.buffers[name]
