"""Conditioning: how a label enters a network."""

from zerosum.conditioning import concat, projection

__all__ = ["concat", "projection"]
