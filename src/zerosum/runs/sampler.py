"""Samples from a trained generator: one fixed sequence per seed, in whatever pieces it is asked for."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from zerosum.core.game import State
from zerosum.core.random import generator

if TYPE_CHECKING:
    from zerosum.recipe import Prior

BLOCK = 64  # latents are drawn in blocks, so that sample 1,000 does not depend on how the ones before it were asked for


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

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Take these weights and buffers."""
        self.network.load_state_dict(tensors)

    def with_seed(self, seed: int) -> Sampler:
        """The same generator, another sequence."""
        other = copy.copy(self)
        other.seed = seed
        return other

    def latents(self, start: int, n: int) -> tuple[Tensor, ...]:
        """Latents ``start`` to ``start + n - 1``: (z,), or (z, y) where the generator is conditional; n of each."""
        first, last = start // BLOCK, (start + n - 1) // BLOCK
        blocks = [
            _tuple(self.prior(BLOCK, generator(self.seed, "sample", b, device=self.device)))
            for b in range(first, last + 1)
        ]
        return tuple(torch.cat(parts)[start - first * BLOCK :][:n] for parts in zip(*blocks, strict=True))

    def generate(self, *latents: Tensor) -> Tensor:
        """What the generator makes of latents: (n, latent), and labels (n,) where it is conditional."""
        with torch.inference_mode(), torch.autocast(self.device.type, self.autocast, enabled=self.autocast is not None):
            out: Tensor = self.network(*(part.to(self.device) for part in latents))
            return out.float().cpu()

    def __call__(self, start: int, n: int) -> Tensor:
        """Samples ``start`` to ``start + n - 1``, (n, *shape), computed 250 at a time."""
        pieces = [self.generate(*self.latents(start + i, min(250, n - i))) for i in range(0, n, 250)]
        return torch.cat(pieces)


def _tuple(drawn: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return drawn if isinstance(drawn, tuple) else (drawn,)


def sampled_tensors(state: State, name: str) -> dict[str, Tensor]:
    """The weights to sample network ``name`` with: its running average where one is kept."""
    return state.average[name] if name in state.average else state.weights[name] | state.buffers[name]
