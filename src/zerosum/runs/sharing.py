"""How a batch is shared out among processes and parts, and whether each part is large enough for what compares samples.

Batch normalisation, packing, the pulling-away term and minibatch discrimination see the samples of one part, and no
others: they need several. Of a part that is too small a run would end in the middle, with its folder already made.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import nn

from zerosum.core import parallel
from zerosum.errors import UsageError
from zerosum.networks.layers import BatchNorm
from zerosum.systems import Coupling, Recipe


def check_sharing(name: str, recipe: Recipe, accumulate: int) -> None:
    """Refuse a batch that cannot be shared out equally, or whose parts are too small.

    Args:
        name: Name of the recipe.
        recipe: What it returned.
        accumulate: Number of parts into which the batch of each process is divided.

    Raises:
        UsageError: The batch does not fit; the message names sizes and numbers of parts that do.
    """
    world = parallel.world()
    batch, shares = recipe.batch_size, world * accumulate
    needs = (*recipe.coupled, *_norms(recipe, world))
    where = f"{accumulate} part(s)" if world == 1 else f"{accumulate} part(s) on each of {world} processes"
    if batch % shares:
        raise UsageError(
            f"batch_size={batch}: recipe {name!r} cannot share it equally among {where}: "
            + _instead(batch, world, accumulate, needs),
            argument="batch_size",
        )
    part = batch // shares
    for need in needs:
        if not _fits(part, [need]):
            wants = f"a multiple of {need.multiple}" if need.multiple > 1 else f"at least {need.least}"
            raise UsageError(
                f"batch_size={batch}: recipe {name!r} shares it out among {where} of {part} sample(s), and {need.what} "
                f"needs {wants} in each: {_instead(batch, world, accumulate, needs)}",
                argument="batch_size",
            )


def _norms(recipe: Recipe, world: int) -> list[Coupling]:
    """Batch normalisation in networks that are trained, which has no variance of one sample."""
    found = []
    for phase in recipe.phases:
        for name, net in phase.game.nets.items():
            least = max((_least(m, world) for m in net.modules() if m.training), default=1)
            found += [Coupling(f"batch norm in network {name!r}", least)] if least > 1 else []
    return found


def _least(module: nn.Module, world: int) -> int:
    """Samples of a part that a layer needs."""
    if isinstance(module, BatchNorm):
        return math.ceil(2 / world) if module.across_ranks else 2
    return 2 if isinstance(module, nn.BatchNorm1d) else 1  # torch's own of images takes one, by its pixels


def _fits(part: int, needs: Sequence[Coupling]) -> bool:
    return part >= 1 and all(part >= need.least and part % need.multiple == 0 for need in needs)


def _instead(batch: int, world: int, accumulate: int, needs: Sequence[Coupling]) -> str:
    """What would fit: the next larger batch, or fewer parts of this one."""
    unit = math.lcm(*(need.multiple for need in needs))
    least = max((need.least for need in needs), default=1)
    each = math.ceil(max(least, batch / (world * accumulate)) / unit) * unit
    fewer = [a for a in range(accumulate - 1, 0, -1) if batch % (world * a) == 0 and _fits(batch // world // a, needs)]
    return f"use batch_size={each * world * accumulate}" + (f", or accumulate={fewer[0]}" if fewer else "")
