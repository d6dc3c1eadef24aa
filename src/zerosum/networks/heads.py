"""A head on a critic's features, for what else is to be told from a sample."""

from __future__ import annotations

from torch import nn

from zerosum.networks.common import SLOPE, Init, Norm, check_positive, dcgan_init
from zerosum.networks.layers import BatchNorm


class Head(nn.Sequential):
    """linear -> ``norm`` -> leaky ReLU of slope 0.2 -> linear: features (B, inputs) -> (B, outputs).

    With 128 hidden units this is Q of Chen et al. 2016 (arXiv:1606.03657), which reads the features of the critic.

    Arguments that are not explained here: :mod:`zerosum.networks`.

    Args:
        inputs: F, the number of the critic's features.
        hidden: Hidden units.
        outputs: Numbers that are said of each sample.
    """

    def __init__(
        self, inputs: int, hidden: int, outputs: int, *, norm: Norm = BatchNorm, init: Init = dcgan_init
    ) -> None:
        check_positive(inputs=inputs, hidden=hidden, outputs=outputs)
        super().__init__(nn.Linear(inputs, hidden), norm(hidden), nn.LeakyReLU(SLOPE), nn.Linear(hidden, outputs))
        for layer in self:
            init(layer, 1.0)
