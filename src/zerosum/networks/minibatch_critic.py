"""A critic around a critic, which compares the samples of its batch."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from zerosum.networks.common import Wrap, keep
from zerosum.networks.critic import BaseCritic, feature_count
from zerosum.networks.layers.minibatch import MinibatchDiscrimination
from zerosum.renewal import Renewal


class MinibatchCritic(BaseCritic):
    """Section 3.2, Salimans et al. 2016 (arXiv:1606.03498): D(x) = last([f(x), o(x)]), o by minibatch discrimination.

    Args:
        net: Critic with ``features`` (f) and a linear layer ``last``, as all of ``zerosum.networks`` are. It is taken
            over: its ``last`` gives its weights to the wider layer here, and is dropped.
        kernels: Number of added features.
        dims: Dimension of the space in which each of them compares the samples.
        wrap: Applied to the wider ``last`` (``weight_norm``).
        std: Standard deviation of the initial weights of the added features, normal about 0.
        scaled: Whether kernels have scales and biases; see :class:`MinibatchDiscrimination`.
        batch: Number of samples in a batch, where the critic may be called with parts of it.
        samples: Real samples, as many as a batch of training has, from whose features scales and biases are set.
            None: they begin at 0 and -1.
    """

    def __init__(
        self,
        net: nn.Module,
        kernels: int = 100,
        dims: int = 5,
        *,
        wrap: Wrap = keep,
        std: float = 0.02,
        scaled: bool = True,
        batch: int | None = None,
        samples: Tensor | None = None,
    ) -> None:
        super().__init__()
        feature_count(net)  # refuses what has nothing to build on
        old = net.last
        if not isinstance(old, nn.Linear):
            raise TypeError(f"the last layer of {type(net).__name__} is wrapped: only weight_norm may wrap it here")
        self.net: Any = net
        self.minibatch = MinibatchDiscrimination(old.in_features, kernels, dims, scaled=scaled, batch=batch)
        last = nn.Linear(old.in_features + kernels, old.out_features, bias=old.bias is not None)
        with torch.no_grad():
            nn.init.normal_(last.weight, 0.0, std)
            last.weight[:, : old.in_features] = old.weight
            if old.bias is not None:
                last.bias.copy_(old.bias)
        self.last = wrap(last)
        self.net.last = nn.Identity()  # unused weights would only be moved about
        if samples is not None:
            self.minibatch.calibrate(_features_of(self.net, samples))

    def features(self, x: Tensor) -> Tensor:
        """(B, ...) -> (B, features + kernels)."""
        found: Tensor = self.minibatch(self.net.features(x))
        return found


@torch.no_grad()
def _features_of(net: Any, x: Tensor) -> Tensor:
    """Features in training mode, which leave no trace in statistics or singular vectors."""
    with Renewal(by_caller=True):
        found: Tensor = copy.deepcopy(net).features(x)
    return found
