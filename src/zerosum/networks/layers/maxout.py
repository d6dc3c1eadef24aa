"""Maxout."""

from __future__ import annotations

from torch import Tensor, nn


class Maxout(nn.Module):
    """Section 2, Goodfellow et al. 2013 (arXiv:1302.4389): h_i(x) = max_j (x W_ij + b_ij).

    Args:
        inputs: Features of x.
        outputs: Features of h.
        pieces: Affine functions for each output, of which it is the largest.
    """

    def __init__(self, inputs: int, outputs: int, pieces: int = 5) -> None:
        super().__init__()
        if min(inputs, outputs, pieces) < 1:
            raise ValueError(f"inputs={inputs}, outputs={outputs}, pieces={pieces}: each must be at least 1")
        self.pieces = pieces
        self.linear = nn.Linear(inputs, outputs * pieces)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs) -> (B, outputs)."""
        h: Tensor = self.linear(x)
        return h.reshape(h.shape[0], -1, self.pieces).amax(2)
