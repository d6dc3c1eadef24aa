"""One order for every set of images, whatever order they came in: that of hashes of their pixels.

What is drawn by a seed (subsets, splits, pairs, places of patches) is drawn from this order, so that a score does not
depend on the order of files, rows or batches. The hashes are as good as random: neighbours have nothing in common.
"""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

from zerosum.core.random import generator
from zerosum.metrics.score import Plain

DRAWN: dict[str, Plain] = {"drawn": "by seed, from images in the order of their hashes"}
"""What the protocol of a score says if it depends on images that are drawn."""


def content_keys(images: Tensor) -> Tensor:
    """Hashes of images uint8 (B, C, H, W), the first 63 bits of their SHA-256: (B,) int64, on the CPU."""
    rows = images.detach().cpu().contiguous().flatten(1).numpy()
    # Big-endian, as text would be sorted; without the sign.
    found = [int.from_bytes(hashlib.sha256(row.data).digest()[:8], "big") >> 1 for row in rows]
    return torch.tensor(found, dtype=torch.int64)


def content_order(keys: Tensor, labels: Tensor | None = None) -> Tensor:
    """Indices (N,) that bring images into the one order; copies of an image are ordered by their labels.

    Args:
        keys: Hashes of the images, (N,).
        labels: Their classes (N,), where they have any.
    """
    order = torch.arange(len(keys)) if labels is None else labels.cpu().argsort(stable=True)
    return order[keys[order].argsort(stable=True)]


def ranks_of(order: Tensor) -> Tensor:
    """The place (N,) of each image in an order (N,)."""
    ranks = torch.empty_like(order)
    ranks[order] = torch.arange(len(order))
    return ranks


def draw_rows(count: int, total: int, *path: int | str) -> Tensor:
    """Indices (count,) of different ones among ``total`` rows, in random order, from the seed and the purpose alone."""
    return torch.randperm(total, generator=generator(*path))[:count]
