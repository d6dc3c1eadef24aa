"""The auxiliary classifier. Odena et al. 2017, arXiv:1610.09585, Section 3: the critic tells the class as well."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from zerosum.networks.common import Wrap, check_positive, keep


class Critic(nn.Module):
    """D(x) = (logit of P(S = real | x), logits of P(C | x)): two linear layers on the same features.

    The label is never an input: the critic must read it from the image.

    Args:
        net: a critic with ``features`` and a linear layer ``last``, as all of ``zerosum.networks`` are.
        classes: K.
        wrap: applied to the class layer (``spectral_norm``).
        std: of the class layer's initial weights, normal about 0; its biases are 0.
    """

    def __init__(self, net: nn.Module, classes: int, *, wrap: Wrap = keep, std: float = 0.02) -> None:
        super().__init__()
        features = getattr(getattr(net, "last", None), "in_features", None)
        if features is None or not hasattr(net, "features"):
            raise TypeError(f"{type(net).__name__} has no `features` and linear `last` to classify from")
        check_positive(classes=classes)
        self.net: Any = net
        classify = nn.Linear(features, classes)
        nn.init.normal_(classify.weight, 0.0, std)
        nn.init.zeros_(classify.bias)
        self.classify = wrap(classify)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (B, ...) -> source logits (B,), class logits (B, K)."""
        h = self.net.features(x)
        source: Tensor = self.net.last(h).squeeze(1)
        return source, self.classify(h)
