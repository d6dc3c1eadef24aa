"""Multilayer perceptrons, for points and for small images."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zerosum.networks.common import Activation, Init, Wrap, check_positive, keep
from zerosum.networks.critic import BaseCritic

RELU_GAIN = math.sqrt(2)  # of the initial weights before an activation


class Generator(nn.Module):
    """latent -> hidden layers, each with ``activation`` -> ``shape`` through ``output``.

    The default sizes are those of WGAN-GP's toy generator (2-512-512-512-2, 527,874 parameters); ``pairs.toy_pair``
    starts from its weights, too. For images, give their (C, H, W) as ``shape`` and ``torch.tanh`` as ``output``.

    Args:
        latent: Dimension of z.
        hidden: Widths of the hidden layers.
        shape: Shape of a sample.
        activation: Applied after each hidden layer.
        output: Applied after the last layer.
        init: Function that sets the weights of the hidden layers; ``None`` for torch's own weights.
        last_init: Likewise for the last layer.
    """

    def __init__(
        self,
        latent: int = 2,
        hidden: Sequence[int] = (512, 512, 512),
        shape: Sequence[int] = (2,),
        *,
        activation: Activation = F.relu,
        output: Activation = nn.Identity(),  # noqa: B008 (stateless)
        init: Init | None = None,
        last_init: Init | None = None,
    ) -> None:
        super().__init__()
        _check(latent=[latent], hidden=hidden, shape=shape)
        self.shape, self.activation, self.output = tuple(shape), activation, output
        self.layers = nn.ModuleList(_started(nn.Linear(i, o), init, RELU_GAIN) for i, o in _pairs(latent, hidden))
        self.last = _started(nn.Linear([latent, *hidden][-1], math.prod(shape)), last_init, 1.0)

    def forward(self, z: Tensor) -> Tensor:
        """(B, latent) -> (B, *shape)."""
        for layer in self.layers:
            z = self.activation(layer(z))
        return self.output(self.last(z)).reshape(-1, *self.shape)


class Critic(BaseCritic):
    """``shape`` -> hidden layers, each with ``activation`` -> one logit.

    The default sizes are those of WGAN-GP's toy critic (2-512-512-512-1, 527,361 parameters); ``pairs.toy_pair``
    starts from its weights, too.

    Args:
        shape: Shape of a sample.
        hidden: Widths of the hidden layers.
        activation: Applied after each hidden layer.
        layer: Function from (inputs, outputs) to a hidden layer; ``Maxout``, with ``nn.Identity()`` as activation, for
            maxout.
        wrap: Applied to each layer (``spectral_norm``).
        init: Function that sets the weights of the hidden layers; ``None`` for torch's own weights.
        last_init: Likewise for the last layer.
    """

    def __init__(
        self,
        shape: Sequence[int] = (2,),
        hidden: Sequence[int] = (512, 512, 512),
        *,
        activation: Activation = F.relu,
        layer: Callable[[int, int], nn.Module] = nn.Linear,
        wrap: Wrap = keep,
        init: Init | None = None,
        last_init: Init | None = None,
    ) -> None:
        super().__init__()
        _check(shape=shape, hidden=hidden)
        inputs = math.prod(shape)
        self.activation = activation
        self.layers = nn.ModuleList(wrap(_started(layer(i, o), init, RELU_GAIN)) for i, o in _pairs(inputs, hidden))
        self.last = wrap(_started(nn.Linear([inputs, *hidden][-1], 1), last_init, 1.0))

    def features(self, x: Tensor) -> Tensor:
        """(B, *shape) -> (B, last hidden width)."""
        h = torch.flatten(x, 1)
        for layer in self.layers:
            h = self.activation(layer(h))
        return h


def _started(layer: nn.Module, init: Init | None, gain: float) -> nn.Module:
    if init is not None:
        init(layer, gain)
    return layer


def _pairs(first: int, hidden: Sequence[int]) -> list[tuple[int, int]]:
    return list(zip([first, *hidden], hidden, strict=False))


def _check(**sizes: Sequence[int]) -> None:
    for name, values in sizes.items():
        for value in values:
            check_positive(**{name: value})
    if "shape" in sizes and not sizes["shape"]:
        raise ValueError("shape=(): a sample needs at least one dimension, such as (2,) or (1, 28, 28)")
