"""A critic taken apart, so that several heads, and several players, can share what it sees."""

from __future__ import annotations

import copy
from typing import Any

from torch import Tensor, nn

from zerosum.networks.common import Init, Norm, check_positive, normal
from zerosum.networks.layers import BatchNorm


class Trunk(nn.Module):
    """All of a critic but its last layer: x (B, ...) -> features (B, F)."""

    def __init__(self, critic: nn.Module) -> None:
        super().__init__()
        self.net: Any = copy.deepcopy(critic)
        self.net.last = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """The features."""
        features: Tensor = self.net.features(x)
        return features


class Logit(nn.Module):
    """The last layer of a critic: features (B, F) -> logits (B,). F is in ``inputs``."""

    def __init__(self, last: Any) -> None:
        super().__init__()
        self.last, self.inputs = last, int(last.in_features)

    def forward(self, h: Tensor) -> Tensor:
        """One logit each."""
        logits: Tensor = self.last(h)
        return logits.squeeze(1)


def split(critic: nn.Module) -> tuple[Trunk, Logit]:
    """Two networks, ``logit(trunk(x)) == critic(x)``, with the critic's weights between them.

    Args:
        critic: with ``features`` and a linear layer ``last``, as all of ``zerosum.networks`` have.

    Raises:
        TypeError: it has no such parts.
    """
    last = getattr(critic, "last", None)
    if last is None or not hasattr(last, "in_features") or not hasattr(critic, "features"):
        raise TypeError(f"{type(critic).__name__} has no `features` and linear `last` to take apart")
    return Trunk(critic), Logit(copy.deepcopy(last))


class Head(nn.Sequential):
    """linear -> ``norm`` -> leaky ReLU of slope 0.2 -> linear: features (B, inputs) -> (B, outputs).

    With 128 hidden units this is Q of Chen et al. 2016 (arXiv:1606.03657), which reads the critic's trunk.

    Args:
        inputs: F, as many as the trunk's features.
        hidden: units.
        outputs: numbers said of each sample.
        norm: features -> normalisation layer.
        init: sets the weights of one layer.
    """

    def __init__(
        self,
        inputs: int,
        hidden: int,
        outputs: int,
        *,
        norm: Norm = BatchNorm,
        init: Init = normal(0.02),  # noqa: B008 (a pure function)
    ) -> None:
        check_positive(inputs=inputs, hidden=hidden, outputs=outputs)
        super().__init__(nn.Linear(inputs, hidden), norm(hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, outputs))
        for layer in self:
            init(layer, 1.0)
