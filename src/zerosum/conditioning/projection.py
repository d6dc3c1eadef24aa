"""The projection discriminator. Miyato and Koyama 2018, arXiv:1802.05637, Eq. 3 and Figure 1d."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from zerosum.conditioning.embedding import ClassEmbedding
from zerosum.networks.common import Init, Wrap, keep, normal


class Critic(nn.Module):
    """D(x, y) = psi(phi(x)) + <v_y, phi(x)>: the label chooses the direction in which features count.

    Args:
        net: a critic with ``features`` (phi) and a linear layer ``last`` (psi), as all of ``zerosum.networks`` are.
        classes: K.
        wrap: applied to the embedding v (``spectral_norm``).
        init: sets the embedding's weights.
    """

    def __init__(self, net: nn.Module, classes: int, *, wrap: Wrap = keep, init: Init | None = None) -> None:
        super().__init__()
        features = getattr(getattr(net, "last", None), "in_features", None)
        if features is None or not hasattr(net, "features"):
            raise TypeError(f"{type(net).__name__} has no `features` and linear `last` to project on")
        self.net: Any = net
        embedding = ClassEmbedding(classes, features)
        (init or normal(0.02))(embedding, 1.0)
        self.embedding = wrap(embedding)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """x (B, ...), y int64 (B,) in 0 .. K - 1 -> logits (B,)."""
        phi = self.net.features(x)
        logits: Tensor = self.net.last(phi).squeeze(1) + (self.embedding(y) * phi).sum(1)
        return logits
