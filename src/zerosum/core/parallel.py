"""Data parallelism with ``torchrun`` and ``torch.distributed`` only."""

import os
from typing import Any

import torch
import torch.distributed as dist
from torch.utils import _pytree as pytree


def rank() -> int:
    """This process's number, 0 when there is only one."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def world() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def join() -> None:
    """Join the group that ``torchrun`` describes in the environment; do nothing without one."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or dist.is_initialized():
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")


def leave() -> None:
    """Leave the group, if there is one."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


def wait() -> None:
    """Wait for every rank."""
    if world() > 1:
        dist.barrier()


def mean(tree: Any) -> Any:
    """The mean over ranks of every tensor of a tree, by one all-reduce."""
    leaves, spec = pytree.tree_flatten(tree)
    if world() == 1 or not leaves:
        return tree
    flat = torch.cat([leaf.detach().float().flatten() for leaf in leaves])
    dist.all_reduce(flat)
    parts = torch.split(flat / world(), [leaf.numel() for leaf in leaves])
    averaged = [part.view(leaf.shape).to(leaf.dtype) for part, leaf in zip(parts, leaves, strict=True)]
    return pytree.tree_unflatten(averaged, spec)
