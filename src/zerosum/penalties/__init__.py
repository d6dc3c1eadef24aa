"""Penalties: scalars added to a player's loss."""

from zerosum.penalties.gradient import dragan, r1, r2, slope, wgan_gp

__all__ = ["dragan", "r1", "r2", "slope", "wgan_gp"]
