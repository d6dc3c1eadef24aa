"""Conditioning: how a label enters a network.

Generators: :mod:`concat` (beside the latent), a conditional ``norm`` (:mod:`batch_norm`, :mod:`adain`) in any network
that has one, and around these an :mod:`embedding`. Critics: :mod:`concat`, :mod:`projection`, :mod:`auxiliary`.
"""

from zerosum.conditioning import adain, auxiliary, batch_norm, concat, embedding, projection

__all__ = ["adain", "auxiliary", "batch_norm", "concat", "embedding", "projection"]
