"""The protocol of critics: what a critic says of samples, in one form for all of them.

Whatever reads more of a critic than its logit (projection, an auxiliary classifier, minibatch features, feature
matching, consistency, codes of an autoencoder) reads a :class:`Judgement`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor, nn

from zerosum.precision import in_float32


class Judgement(NamedTuple):
    """What a critic says of a batch; always built by keyword.

    Attributes:
        logits: Logits of P(real), of any sign; or energies, at least 0 and small for real samples. (B,), or (B / m,)
            for packs of m samples; float32 at least, whatever the features are.
        features: What the logit is a linear function of, (B, F); the codes of an autoencoder.
        classes: Logits of the classes, (B, K); ``None`` where the critic does not classify.
    """

    logits: Tensor
    features: Tensor
    classes: Tensor | None = None


class BaseCritic(nn.Module):
    """A critic: ``features``, a linear layer ``last`` that reads them, and ``judge``; ``forward`` is a part of that."""

    last: Any

    def features(self, x: Tensor) -> Tensor:
        """Samples (B, ...) -> features (B, F)."""
        raise NotImplementedError(f"{type(self).__name__} must define features()")

    def judge(self, x: Tensor, y: Tensor | None = None) -> Judgement:
        """All that the critic says of samples.

        Args:
            x: Samples, (B, ...).
            y: Their labels, for critics that are told them: int64 (B,), or float (B, K) with the weights of classes.
        """
        features = self.features(x)
        # Under autocast too: objectives take differences of logits, which must not be rounded before.
        return Judgement(logits=in_float32(self.last, features).squeeze(1), features=features)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The logits, or energies, of samples; arguments as for :meth:`judge`."""
        return self.judge(x, y).logits


def feature_count(critic: nn.Module) -> int:
    """F, the number of features that the last layer of a critic reads.

    Raises:
        TypeError: The critic has no ``features`` with a linear layer ``last`` after them.
    """
    count = getattr(getattr(critic, "last", None), "in_features", None)
    if not isinstance(count, int) or not callable(getattr(critic, "features", None)):
        raise TypeError(
            f"{type(critic).__name__} has no `features` with a linear layer `last` after them to build on, as the "
            "critics of zerosum.networks have"
        )
    return count
