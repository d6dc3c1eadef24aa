"""Self-attention over the pixels of a feature map. Zhang et al. 2019, arXiv:1805.08318, Section 3."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zerosum.networks.common import Init, Wrap, keep


def attention(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """softmax(q k^T) v over positions, without the 1/sqrt(d) of transformers: Eq. 1-2, Zhang et al. 2019.

    Args:
        queries: Queries q, (B, C, N).
        keys: Keys k, (B, C, M).
        values: Values v, (B, C', M).

    Returns:
        Mixed values, (B, C', N).
    """
    q, k, v = (x.transpose(1, 2)[:, None] for x in (queries, keys, values))
    out = F.scaled_dot_product_attention(q, k, v, scale=1.0)
    return out[:, 0].transpose(1, 2)


class SelfAttention(nn.Module):
    """Eq. 1-3, Zhang et al. 2019 (arXiv:1805.08318): x + gamma * o(attention(theta x, phi x, g x)); gamma begins at 0.

    As in the authors' code: theta and phi have C/8 channels, g has C/2, keys and values are max-pooled to a quarter of
    the positions, no layer has a bias. (The paper's text has values of C channels and no pooling.)

    Shapes: (B, C, H, W), kept; H and W even. There are second derivatives (gradient penalties) on a CPU; the fused
    kernels that torch takes on a GPU have none.

    Args:
        channels: C, a multiple of 8.
        wrap: Applied to each 1x1 convolution (``spectral_norm``).
        init: Function that sets the weights of one layer; ``None`` for torch's own weights.
    """

    def __init__(self, channels: int, wrap: Wrap = keep, init: Init | None = None) -> None:
        super().__init__()
        if channels < 8 or channels % 8:
            raise ValueError(f"channels={channels}: attention needs a multiple of 8 (widen the network)")

        def conv(inputs: int, outputs: int) -> nn.Module:
            layer = nn.Conv2d(inputs, outputs, 1, bias=False)
            if init is not None:
                init(layer, 1.0)
            return wrap(layer)

        self.theta, self.phi = conv(channels, channels // 8), conv(channels, channels // 8)
        self.g, self.o = conv(channels, channels // 2), conv(channels // 2, channels)
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W), kept: each position with what it attends to added."""
        queries = self.theta(x).flatten(2)
        keys, values = (F.max_pool2d(layer(x), 2).flatten(2) for layer in (self.phi, self.g))
        mixed = attention(queries, keys, values).reshape(x.shape[0], -1, *x.shape[2:])
        out: Tensor = self.o(mixed)
        return torch.addcmul(x, self.gamma.to(x.dtype), out)


def attend_at(
    sizes: Sequence[int], outputs: Sequence[tuple[int, int]], build: Callable[[int], nn.Module]
) -> nn.ModuleList:
    """What follows each block: attention after the first one whose output has a size asked for, else nothing.

    Args:
        sizes: Pixels a side at which to attend.
        outputs: Pairs (pixels a side, channels), after each block.
        build: Function from a number of channels to attention.

    Raises:
        ValueError: No block has an output of that size, and the message names those there are; or the size is odd.
    """
    known = [size for size, _ in outputs]
    for size in sizes:
        if size not in known:
            there = ", ".join(map(str, dict.fromkeys(known)))
            raise ValueError(f"attention at {size} pixels: the blocks' outputs have {there}")
        if size % 2:
            raise ValueError(f"attention at {size} pixels: keys are pooled in squares of 2 x 2, so it must be even")
    at = {known.index(size) for size in sizes}
    return nn.ModuleList(build(outputs[i][1]) if i in at else nn.Identity() for i in range(len(outputs)))
