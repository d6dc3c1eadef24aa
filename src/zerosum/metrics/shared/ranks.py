"""Rows of all processes of ``torch.distributed``, one rank after the other."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor

from zerosum.core import parallel

AXES = 4  # of a tensor of rows, at most


def gather_rows(rows: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    """The rows of all ranks, those of rank 0 first, the same on every rank; as they are where there is one rank.

    Args:
        rows: Rows (N, ...) of this rank, N >= 0 and at most four axes; ``None``: it has none, and knows no shape.
        dtype: Type of the rows.

    Returns:
        Rows on the device of this rank's own, or on the CPU; ``None`` if no rank has any.

    Raises:
        ValueError: The rows of two ranks have other shapes.
    """
    if parallel.world() == 1:
        return rows
    # NCCL moves only what lies on a GPU.
    device = torch.device("cuda") if dist.get_backend() == "nccl" else torch.device("cpu")
    shapes = gather_equal(torch.tensor(_padded(rows), device=device)).tolist()
    tails = {tuple(tail) for count, *tail in shapes if count}
    if len(tails) > 1:
        raise ValueError(f"ranks have rows of unlike shapes: {', '.join(map(str, sorted(tails)))}")
    if not tails:
        return rows
    tail = tuple(length for length in tails.pop() if length)
    most = max(count for count, *_ in shapes)
    sent = torch.zeros((most, *tail), dtype=dtype, device=device)
    if rows is not None:
        sent[: len(rows)] = rows.to(device, dtype)
    parts = gather_equal(sent)
    joined = torch.cat([part[:count] for part, (count, *_) in zip(parts, shapes, strict=True)])
    return joined.to("cpu" if rows is None else rows.device)


def gather_equal(tensor: Tensor) -> Tensor:
    """Tensors of all ranks, which have one shape: (ranks, ...)."""
    parts = [torch.empty_like(tensor) for _ in range(parallel.world())]
    dist.all_gather(parts, tensor)
    return torch.stack(parts)


def _padded(rows: Tensor | None) -> list[int]:
    shape = [0] if rows is None else list(rows.shape)
    return shape + [0] * (AXES - len(shape))
