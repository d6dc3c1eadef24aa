"""Samples from a trained generator: one fixed sequence per seed, in whatever pieces it is asked for."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor, nn

from zerosum.core.game import State
from zerosum.core.random import generator
from zerosum.latent.truncation import truncated
from zerosum.networks.layers.batch_norm import BatchNorm, standing_statistics
from zerosum.recipe import UsageError

if TYPE_CHECKING:
    from zerosum.recipe import Prior

T = TypeVar("T")
BLOCK = 64  # latents are drawn in blocks, so that sample 1,000 does not depend on how the ones before it were asked for
PIECE = 250  # samples computed at once


class Sampler:
    """A generator with its prior.

    ``sampler(start, n)`` are samples ``start`` to ``start + n - 1``: float32 on the CPU, (n, *shape), images in
    [-1, 1].

    Args:
        network: the generator, in any mode; a copy in evaluation mode is kept.
        prior: ``(n, rng) ->`` what the network is called with: latents, or a tuple such as (latents, labels).
        device: where to compute.
        autocast: precision, as in training.
        seed: of the sequence.
    """

    def __init__(
        self,
        network: nn.Module,
        prior: Prior,
        *,
        device: torch.device | str = "cpu",
        autocast: torch.dtype | None = None,
        seed: int = 0,
    ) -> None:
        self.network = copy.deepcopy(network).to(device).eval().requires_grad_(False)
        self.prior, self.device, self.autocast, self.seed = prior, torch.device(device), autocast, seed
        self.asked: tuple[int, ...] = ()  # classes, in turn; () for those of the prior

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Take these weights and buffers."""
        self.network.load_state_dict(tensors)

    def with_seed(self, seed: int) -> Sampler:
        """The same generator, another sequence."""
        other = copy.copy(self)
        other.seed = seed
        return other

    @property
    def labelled(self) -> bool:
        """Is the generator told a class, beside its latent?"""
        _, *others = self.latents(0, 1)
        return len(others) == 1 and others[0].dtype == torch.int64 and others[0].dim() == 1

    @property
    def bound(self) -> float | None:
        """1 where latents lie in [-1, 1], as uniform ones do; ``None`` where the prior has no such bound."""
        z, *_ = self.latents(0, 1_000)
        return 1.0 if float(z.abs().max()) <= 1 else None

    @property
    def batch_normalised(self) -> bool:
        """Has the generator batch normalisation, and so statistics that depend on the latents in use?"""
        return any(isinstance(module, BatchNorm) for module in self.network.modules())

    def of_classes(self, asked: Sequence[int]) -> Sampler:
        """The same generator, its samples of these classes in turn; latents stay those of the seed.

        Args:
            asked: class numbers, from 0.

        Raises:
            ValueError: the generator is told no class, or none is asked for.
        """
        if not self.labelled:
            raise ValueError("this generator is not told a class (cgan, ac-gan, sngan-projection, biggan are)")
        if not asked or min(asked) < 0:
            raise ValueError(f"classes {tuple(asked)}: must be one or more numbers from 0")
        other = copy.copy(self)
        other.asked = tuple(asked)
        return other

    def truncated(self, threshold: float) -> Sampler:
        """The same generator, no component of its latents beyond ``threshold``.

        Raises:
            UsageError: the threshold is not above 0; or, when latents are drawn, they never come within it.
        """
        other = copy.copy(self)
        draw = _explained(lambda: truncated(self.prior, threshold))
        other.prior = lambda n, rng: _explained(lambda: draw(n, rng))
        return other

    def standing(self, batches: int = 16, size: int = 250) -> Sampler:
        """The same generator with batch-norm statistics of its own samples, for the latents now in use.

        They are of all classes that the prior draws, whichever are asked for, and depend on the seed.

        Args:
            batches: how many are averaged over.
            size: samples in each.

        Raises:
            ValueError: the generator has no batch normalisation.
        """
        other = copy.copy(self)
        other.network = copy.deepcopy(self.network)
        with torch.autocast(self.device.type, self.autocast, enabled=self.autocast is not None):
            drawn = (
                _tuple(self.prior(size, generator(self.seed, "standing", b, device=self.device)))
                for b in range(batches)
            )
            standing_statistics(other.network, drawn)
        return other

    def latents(self, start: int, n: int) -> tuple[Tensor, ...]:
        """Latents ``start`` to ``start + n - 1``: (z,), or (z, y) where the generator is conditional; n of each."""
        first, last = start // BLOCK, (start + n - 1) // BLOCK
        blocks = [
            _tuple(self.prior(BLOCK, generator(self.seed, "sample", b, device=self.device)))
            for b in range(first, last + 1)
        ]
        found = tuple(torch.cat(parts)[start - first * BLOCK :][:n] for parts in zip(*blocks, strict=True))
        if not self.asked:
            return found
        asked = torch.tensor(self.asked, device=self.device)
        return found[0], asked[torch.arange(start, start + n, device=self.device) % len(asked)]

    def latents_of(self, numbers: Sequence[int]) -> tuple[Tensor, ...]:
        """Latents of the samples with these numbers, in this order; as :meth:`latents`."""
        return tuple(torch.cat(parts) for parts in zip(*(self.latents(i, 1) for i in numbers), strict=True))

    def images(self, *latents: Tensor) -> Tensor:
        """As :meth:`generate`, all at once, on the generator's device, and differentiable in the latents."""
        with torch.autocast(self.device.type, self.autocast, enabled=self.autocast is not None):
            out: Tensor = self.network(*(part.to(self.device) for part in latents))
            return out.float()

    def generate(self, *latents: Tensor) -> Tensor:
        """What the generator makes of latents, on the CPU, computed 250 at a time.

        Args:
            latents: z (n, d); where the generator is conditional also labels (n,), or weights of the classes (n, K).
        """
        pieces = zip(*(torch.split(part, PIECE) for part in latents), strict=True)
        with torch.inference_mode():
            return torch.cat([self.images(*piece).cpu() for piece in pieces])

    def __call__(self, start: int, n: int) -> Tensor:
        """Samples ``start`` to ``start + n - 1``, (n, *shape), computed 250 at a time."""
        return torch.cat([self.generate(*self.latents(start + i, min(PIECE, n - i))) for i in range(0, n, PIECE)])


def _explained(draw: Callable[[], T]) -> T:
    """What ``draw`` returns; what it refuses is the user's to change."""
    try:
        return draw()
    except ValueError as error:
        raise UsageError(str(error)) from error


def _tuple(drawn: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return drawn if isinstance(drawn, tuple) else (drawn,)


def sampled_tensors(state: State, name: str) -> dict[str, Tensor]:
    """The weights to sample network ``name`` with: its running average where one is kept."""
    return state.average[name] if name in state.average else state.weights[name] | state.buffers[name]
