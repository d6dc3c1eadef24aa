"""Running averages of networks, for sampling. Yazici et al. 2019, arXiv:1806.04498, found that GANs gain by them."""

from collections.abc import Callable
from typing import NamedTuple

import torch

from zerosum.core.optim import Tensors


class Average(NamedTuple):
    """An exponential moving average of a network: ``average = decay * average + (1 - decay) * network``.

    Weights and floating-point buffers (batch-norm statistics) are averaged alike, so that they keep fitting each other.

    Attributes:
        decay: Decay in [0, 1), or a function of the iteration (see :func:`warmed_up`).
        start: Iteration before which the average is the network itself.
    """

    decay: float | Callable[[int], float]
    start: int = 0

    def follow(self, average: Tensors, network: Tensors, t: int) -> Tensors:
        """The average after iteration ``t`` left ``network``."""
        decay = 0.0 if t < self.start else self.decay(t) if callable(self.decay) else self.decay
        floats = [k for k, v in network.items() if v.is_floating_point()]
        new = torch._foreach_lerp([average[k] for k in floats], [network[k] for k in floats], 1 - decay)
        counts = {k: v.clone() for k, v in network.items() if not v.is_floating_point()}
        return network | counts | dict(zip(floats, new, strict=True))


def warmed_up(decay: float) -> Callable[[int], float]:
    """A decay that starts low, so that the untrained weights are soon forgotten: ``min(decay, (1 + t) / (10 + t))``."""
    return lambda t: min(decay, (1 + t) / (10 + t))
