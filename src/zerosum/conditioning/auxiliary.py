"""The auxiliary classifier. Odena et al. 2017, arXiv:1610.09585, Section 3: the critic tells the class as well."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from zerosum.networks.common import Wrap, check_positive, keep
from zerosum.networks.critic import BaseCritic, Judgement, feature_count
from zerosum.precision import in_float32


class Critic(BaseCritic):
    """The logit of P(S = real | x) and the logits of P(C | x): two linear layers on the same features.

    The label is never an input: the critic must read it from the image.

    Args:
        net: Critic with ``features`` and a linear layer ``last``.
        classes: K.
        wrap: Applied to the class layer (``spectral_norm``).
        std: Standard deviation of the class layer's initial weights, normal about 0; its biases are 0.
    """

    def __init__(self, net: nn.Module, classes: int, *, wrap: Wrap = keep, std: float = 0.02) -> None:
        super().__init__()
        check_positive(classes=classes)
        self.net: Any = net
        classify = nn.Linear(feature_count(net), classes)
        nn.init.normal_(classify.weight, 0.0, std)
        nn.init.zeros_(classify.bias)
        self.classify = wrap(classify)

    def features(self, x: Tensor) -> Tensor:
        """The features of ``net``, (B, F)."""
        found: Tensor = self.net.features(x)
        return found

    def judge(self, x: Tensor, y: Tensor | None = None) -> Judgement:
        """x (B, ...) -> source logits (B,), features, class logits (B, K)."""
        features = self.features(x)
        logits = in_float32(self.net.last, features).squeeze(1)
        return Judgement(logits=logits, features=features, classes=in_float32(self.classify, features))
