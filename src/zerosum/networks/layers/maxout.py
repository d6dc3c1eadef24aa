"""Maxout."""

from __future__ import annotations

from torch import Tensor, nn


class Maxout(nn.Module):
    """Section 2, Goodfellow et al. 2013 (arXiv:1302.4389): h_i(x) = max_j (x W_ij + b_ij).

    Shapes: (B, inputs) -> (B, outputs), the largest of ``pieces`` affine functions for each output.
    """

    def __init__(self, inputs: int, outputs: int, pieces: int = 5) -> None:
        super().__init__()
        if min(inputs, outputs, pieces) < 1:
            raise ValueError(f"inputs={inputs}, outputs={outputs}, pieces={pieces}: each must be at least 1")
        self.pieces = pieces
        self.linear = nn.Linear(inputs, outputs * pieces)

    def forward(self, x: Tensor) -> Tensor:
        """The largest piece of each output."""
        h: Tensor = self.linear(x)
        return h.reshape(h.shape[0], -1, self.pieces).amax(2)
