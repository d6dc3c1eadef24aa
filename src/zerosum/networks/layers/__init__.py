"""Layers that the networks share."""

from zerosum.networks.layers.batch_norm import BatchNorm, mean_over_ranks
from zerosum.networks.layers.layer_norm import LayerNorm
from zerosum.networks.layers.maxout import Maxout
from zerosum.networks.layers.resample import DownConv, UpConv, halve, upsample

__all__ = ["BatchNorm", "DownConv", "LayerNorm", "Maxout", "UpConv", "halve", "mean_over_ranks", "upsample"]
