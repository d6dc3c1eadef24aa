"""The plain vision transformer behind DINOv2's and CLIP's image features.

Dosovitskiy et al. 2020 (arXiv:2010.11929), with normalisation before each half of a block. What the two published
networks do not share is in :class:`TransformerPlan`: DINOv2 (Oquab et al. 2023, arXiv:2304.07193) scales what each half
of a block adds by learned numbers per channel (LayerScale, Touvron et al. 2021, arXiv:2103.17239) and resamples its
table of positions; CLIP (Radford et al. 2021, arXiv:2103.00020) has the sigmoid's approximation of GELU, a further
normalisation before the blocks, and a projection after them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class TransformerPlan:
    """What vision transformers differ in.

    Attributes:
        depth: Number of blocks.
        width: Channels of a token.
        heads: Heads of the attention, which share the channels evenly.
        patch: Side of a patch, in pixels.
        grid: Patches a side of the images that the table of positions was learned on.
        eps: Of all normalisations.
        quick_gelu: Whether GELU is x sigmoid(1.702 x), as in CLIP, and not x Phi(x).
        patch_bias: Whether patches have a bias.
        layer_scale: Whether what a block adds is scaled per channel.
        norm_first: Whether tokens are normalised before the first block.
        projection: Length of the output, a linear function of the class token; ``None``: the class token itself.
        offset: What is added to the new number of patches a side where the table of positions is resampled, for the
            distance between two places of the grid (0.1 in DINOv2's code, from which its features are known).
    """

    depth: int
    width: int
    heads: int
    patch: int
    grid: int
    eps: float
    quick_gelu: bool = False
    patch_bias: bool = True
    layer_scale: bool = False
    norm_first: bool = False
    projection: int | None = None
    offset: float = 0.0

    @property
    def outputs(self) -> int:
        """Length of the output."""
        return self.projection or self.width


class QuickGelu(nn.Module):
    """x sigmoid(1.702 x); Hendrycks and Gimpel 2016 (arXiv:1606.08415)."""

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        return x * torch.sigmoid(1.702 * x)


class ChannelScale(nn.Module):
    """A learned factor for each channel, the last dimension."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        return x * self.weight


class TokenAttention(nn.Module):
    """Every token looks at all tokens, with several heads; Vaswani et al. 2017 (arXiv:1706.03762, Section 3.2)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens (B, N, width) to as many."""
        b, n, width = x.shape
        q, k, v = self.qkv(x).view(b, n, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        # In plain products, whose precision `plain_float32` decides; fused kernels have their own.
        shares = ((q * (width // self.heads) ** -0.5) @ k.transpose(-2, -1)).softmax(dim=-1)
        mixed: Tensor = self.out((shares @ v).transpose(1, 2).reshape(b, n, width))
        return mixed


class TransformerBlock(nn.Module):
    """Attention, then a network of one hidden layer, each added to what it sees normalised."""

    def __init__(self, plan: TransformerPlan) -> None:
        super().__init__()
        width = plan.width
        self.norm1 = nn.LayerNorm(width, eps=plan.eps)
        self.attention = TokenAttention(width, plan.heads)
        self.scale1 = ChannelScale(width) if plan.layer_scale else nn.Identity()
        self.norm2 = nn.LayerNorm(width, eps=plan.eps)
        self.hidden = nn.Linear(width, 4 * width)
        self.activation = QuickGelu() if plan.quick_gelu else nn.GELU()
        self.out = nn.Linear(4 * width, width)
        self.scale2 = ChannelScale(width) if plan.layer_scale else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Tokens (B, N, width) to as many."""
        x = x + self.scale1(self.attention(self.norm1(x)))
        added: Tensor = self.scale2(self.out(self.activation(self.hidden(self.norm2(x)))))
        return x + added


class VisionTransformer(nn.Module):
    """The network, for normalised images; what it says of an image is its class token after all blocks.

    Args:
        plan: Sizes, and what kind of vision transformer it is.
    """

    def __init__(self, plan: TransformerPlan) -> None:
        super().__init__()
        self.plan = plan
        self.patches = nn.Conv2d(3, plan.width, plan.patch, plan.patch, bias=plan.patch_bias)
        self.class_token = nn.Parameter(torch.zeros(plan.width))
        self.positions = nn.Parameter(torch.zeros(1 + plan.grid**2, plan.width))
        self.first = nn.LayerNorm(plan.width, eps=plan.eps) if plan.norm_first else nn.Identity()
        self.blocks = nn.Sequential(*(TransformerBlock(plan) for _ in range(plan.depth)))
        self.last = nn.LayerNorm(plan.width, eps=plan.eps)
        self.projection = (
            nn.Identity() if plan.projection is None else nn.Linear(plan.width, plan.projection, bias=False)
        )

    def fit(self, side: int) -> VisionTransformer:
        """Resample the table of positions, in place, for images of another side, in pixels."""
        grid = side // self.plan.patch
        if grid**2 + 1 != len(self.positions):
            table = resample_positions(self.positions.detach(), grid, self.plan.offset)
            self.positions = nn.Parameter(table, requires_grad=False)
        return self

    def forward(self, images: Tensor) -> Tensor:
        """Features (B, outputs) of images (B, 3, S, S), S a multiple of the patch, for which the table of positions is.

        Raises:
            RuntimeError: The table of positions is for another side: see :meth:`fit`.
        """
        tokens = self.patches(images).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.class_token.expand(len(images), 1, -1), tokens], dim=1) + self.positions
        tokens = self.blocks(self.first(tokens))
        features: Tensor = self.projection(self.last(tokens[:, 0]))
        return features


def resample_positions(table: Tensor, grid: int, offset: float = 0.0) -> Tensor:
    """A table of positions for another number of patches a side: cubic convolution (a = -3/4), not antialiased.

    Place i of the new grid looks at (i + 1/2) G / (grid + offset) - 1/2 of the old one, as in DINOv2's code. Beyond the
    edge, the edge counts. The first row, which is the class token's, stays.

    Args:
        table: Positions (1 + G^2, D), row by row.
        grid: The new number of patches a side.
        offset: See :class:`TransformerPlan`.

    Returns:
        Positions (1 + grid^2, D), of the same dtype.
    """
    have = math.isqrt(len(table) - 1)
    square = table[1:].T.reshape(1, -1, have, have)  # in its own type, as there: float32 moves places by about 1e-6
    way: dict[str, Any] = {"scale_factor": (grid + offset) / have} if offset else {"size": grid}
    places = F.interpolate(square, mode="bicubic", align_corners=False, **way)
    return torch.cat([table[:1], places[0].flatten(1).T])
