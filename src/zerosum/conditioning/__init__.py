"""Conditioning: how a label enters a network.

Generators: :mod:`concat` (beside the latent), a conditional ``norm`` (:mod:`batch_norm`, :mod:`adain`) in any network
that has one, and around these an :mod:`embedding`. Critics: :mod:`concat`, :mod:`projection`, :mod:`auxiliary`. Both
players of BigGAN, put together from these: :mod:`biggan`.

Labels ``y`` are int64 (B,) in 0 .. K - 1 wherever they are taken, or float (B, K) with the weight of each class, for
what lies between classes.
"""

from zerosum.conditioning import adain, auxiliary, batch_norm, biggan, concat, embedding, projection

__all__ = ["adain", "auxiliary", "batch_norm", "biggan", "concat", "embedding", "projection"]


def __dir__() -> list[str]:
    return __all__
