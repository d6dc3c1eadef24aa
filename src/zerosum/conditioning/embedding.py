"""Shared class embeddings, and latents that enter at every level. Brock et al. 2019, arXiv:1809.11096, Section 3."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from zerosum.networks.common import Init, check_positive
from zerosum.networks.labels import rows


class ClassEmbedding(nn.Embedding):
    """A vector for each class."""

    def forward(self, y: Tensor) -> Tensor:
        """Labels y -> (B, dim): rows of the table, or mixtures of them."""
        return rows(self.weight, y)


class _Embedded(nn.Module):
    """A generator with an embedding (K, dim) of labels; not spectrally normalised, as in the authors' code."""

    def __init__(self, net: nn.Module, classes: int, dim: int, init: Init | None = None) -> None:
        super().__init__()
        check_positive(classes=classes, dim=dim)
        self.net: Any = net
        self.embedding = ClassEmbedding(classes, dim)
        if init is not None:
            init(self.embedding, 1.0)

    def embed(self, y: Tensor) -> Tensor:
        """Labels y -> (B, dim)."""
        e: Tensor = self.embedding(y)
        return e


class SharedGenerator(_Embedded):
    """G(z, y) = net(z, e(y)): one embedding for all conditional layers.

    Args:
        net: Generator that is called with latents (B, latent) and a condition (B, dim).
        classes: K.
        dim: Dimension of the embedding.
        init: Function that sets the embedding's weights.
    """

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        """z (B, latent), labels y -> samples."""
        out: Tensor = self.net(z, self.embed(y))
        return out


class JoinedGenerator(_Embedded):
    """G(z, y) = net([z, e(y)], [z, e(y)]): all of the latent goes everywhere (BigGAN-deep).

    Args:
        net: Generator that is called with inputs and a condition, both (B, latent + dim).
        classes: K.
        dim: Dimension of the embedding.
        init: Function that sets the embedding's weights.
    """

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        """z (B, latent), labels y -> samples."""
        joined = torch.cat([z, self.embed(y)], 1)
        out: Tensor = self.net(joined, joined)
        return out


class HierarchicalGenerator(_Embedded):
    """G(z, y) = net(z_0, ([z_1, e(y)], [z_2, e(y)], ...)): chunks of z for the first layer and each block.

    Args:
        net: Generator that is called with a chunk (B, latent / chunks) and as many conditions
            (B, latent / chunks + dim) as it has blocks.
        classes: K.
        dim: Dimension of the embedding.
        chunks: Number of chunks, one more than the blocks of ``net``.
        init: Function that sets the embedding's weights.
    """

    def __init__(self, net: nn.Module, classes: int, dim: int, chunks: int, init: Init | None = None) -> None:
        super().__init__(net, classes, dim, init)
        self.chunks = chunks

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        """z (B, latent), labels y -> samples."""
        first, *others = z.chunk(self.chunks, 1)
        e = self.embed(y)
        conditions: Sequence[Tensor] = [torch.cat([chunk, e], 1) for chunk in others]
        out: Tensor = self.net(first, conditions)
        return out


def chunk_of(latent: int, blocks: int) -> int:
    """Length of a chunk of the latent: one for the first layer, and one for each block.

    Raises:
        ValueError: The latent cannot be cut so; the message names a length that can.
    """
    chunks = blocks + 1
    if latent < 1 or latent % chunks:
        near = max(1, round(latent / chunks)) * chunks
        raise ValueError(
            f"latent={latent}: {blocks} blocks and the first layer take {chunks} equal chunks of it; use a multiple of "
            f"{chunks}, such as {near}"
        )
    return latent // chunks
