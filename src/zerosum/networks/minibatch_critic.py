"""Critics around critics: one that compares the samples of its batch, one that shows its features."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from zerosum.networks.common import Wrap, keep
from zerosum.networks.layers.minibatch import MinibatchDiscrimination


class MinibatchCritic(nn.Module):
    """Section 3.2, Salimans et al. 2016 (arXiv:1606.03498): D(x) = last([f(x), o(x)]), o by minibatch discrimination.

    It has itself ``features`` and a linear ``last``, so that it can be wrapped again.

    Args:
        net: a critic with ``features`` (f) and a linear layer ``last``, as all of ``zerosum.networks`` are. It is taken
            over: its ``last`` gives its weights to the wider layer here, and is dropped.
        kernels: how many features are added.
        dims: of the space in which each compares the samples.
        wrap: applied to the wider ``last`` (``weight_norm``).
        std: of the initial weights of the added features, normal about 0.
    """

    def __init__(
        self, net: nn.Module, kernels: int = 100, dims: int = 5, *, wrap: Wrap = keep, std: float = 0.02
    ) -> None:
        super().__init__()
        old = _last_of(net)
        self.net: Any = net
        self.minibatch = MinibatchDiscrimination(old.in_features, kernels, dims)
        last = nn.Linear(old.in_features + kernels, old.out_features, bias=old.bias is not None)
        with torch.no_grad():
            nn.init.normal_(last.weight, 0.0, std)
            last.weight[:, : old.in_features] = old.weight
            if old.bias is not None:
                last.bias.copy_(old.bias)
        self.last = wrap(last)
        self.net.last = nn.Identity()  # unused weights would only be moved about

    def features(self, x: Tensor) -> Tensor:
        """(B, ...) -> (B, features + kernels)."""
        found: Tensor = self.minibatch(self.net.features(x))
        return found

    def forward(self, x: Tensor) -> Tensor:
        """(B, ...) -> logits (B,)."""
        logits: Tensor = self.last(self.features(x))
        return logits.squeeze(1)


class Seen(NamedTuple):
    """What a critic says of a batch, and what it bases that on."""

    features: Tensor  # (B, features)
    logits: Tensor  # (B,), or (B, K) where ``last`` has K > 1 outputs


class Open(nn.Module):
    """A critic that returns its features with its logits, for losses that compare features.

    Args:
        net: a critic with ``features`` and a layer ``last``, wrapped or not.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        if not hasattr(net, "features") or not hasattr(net, "last"):
            raise TypeError(f"{type(net).__name__} has no `features` and `last` to show what its logits rest on")
        self.net: Any = net

    def forward(self, x: Tensor) -> Seen:
        """(B, ...) -> features (B, F) and logits (B,)."""
        features = self.net.features(x)
        return Seen(features, self.net.last(features).squeeze(1))


def _last_of(net: nn.Module) -> nn.Linear:
    last = getattr(net, "last", None)
    if not isinstance(last, nn.Linear) or not hasattr(net, "features"):
        raise TypeError(
            f"{type(net).__name__} has no `features` and linear `last` to build on; the critics of zerosum.networks "
            "do, with `wrap` left alone or `weight_norm`"
        )
    return last
