"""The projection discriminator. Miyato and Koyama 2018, arXiv:1802.05637, Eq. 3 and Figure 1d."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from zerosum.conditioning.embedding import ClassEmbedding
from zerosum.networks.common import Init, Wrap, keep, normal
from zerosum.networks.critic import BaseCritic, Judgement, feature_count
from zerosum.precision import in_float32


class Critic(BaseCritic):
    """D(x, y) = psi(phi(x)) + <v_y, phi(x)>: the label chooses the direction in which features count.

    Args:
        net: Critic with ``features`` (phi) and a linear layer ``last`` (psi).
        classes: K.
        wrap: Applied to the embedding v (``spectral_norm``).
        init: Function that sets the embedding's weights; ``None`` for N(0, 0.02^2).
    """

    def __init__(self, net: nn.Module, classes: int, *, wrap: Wrap = keep, init: Init | None = None) -> None:
        super().__init__()
        self.net: Any = net
        embedding = ClassEmbedding(classes, feature_count(net))
        (init or normal(0.02))(embedding, 1.0)
        self.embedding = wrap(embedding)

    def features(self, x: Tensor) -> Tensor:
        """phi(x), (B, F)."""
        found: Tensor = self.net.features(x)
        return found

    def judge(self, x: Tensor, y: Tensor | None = None) -> Judgement:
        """x (B, ...), labels y -> logits (B,) and phi(x)."""
        if y is None:
            raise TypeError("a critic with projection is told the label: call it with (x, y)")
        phi = self.features(x)
        # Under autocast too: objectives take differences of logits, which must not be rounded before.
        along = in_float32(lambda wide: (self.embedding(y) * wide).sum(1), phi)
        logits = in_float32(self.net.last, phi).squeeze(1) + along
        return Judgement(logits=logits, features=phi)
